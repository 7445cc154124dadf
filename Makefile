SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bulk fuzz

# One profile, and one set of features: with --workspace cargo chooses the same features for every command, so nothing is compiled twice.
SLUICE := $(or $(CARGO_TARGET_DIR),target)/debug/sluice

define style
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
endef

help: ## what there is to make
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## what the machine needs, then the program and the SQL engine
	scripts/setup.sh
	cargo build --workspace --bin sluice --bin sluice-verify --locked
	$(SLUICE) engine install </dev/null

demo: setup ## the gateway in front of a warehouse of its own, with sample data
	SLUICE_DEMO_PYTHON=$$(acceptance/python.sh) $(SLUICE) demo

check: setup ## format, lints, tidy rules and unit tests
	$(style)
	scripts/tests.sh --lib --bins

test: setup ## everything: check, documentation, dependencies, all tests, real clients
	$(style)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	scripts/cargo-deny.sh
	if [[ -f acceptance/run.sh ]]; then acceptance/run.sh </dev/null; fi
	scripts/tests.sh

bench: ## measurements; the gateway beside a plain nginx
	scripts/nginx.sh
	cargo bench --profile dev --workspace --bench "*" --locked

bulk: ## ten million rows by each way, ROWS for another number: memory stays flat, each is on record
	SLUICE_DOOR_BULK_ROWS=$(or $(ROWS),10000000) cargo test --workspace --locked --test door bulk::memory -- --nocapture

fuzz: ## random input against the parsers, SECONDS (60) for each
	scripts/fuzz.sh $(or $(SECONDS),60)
