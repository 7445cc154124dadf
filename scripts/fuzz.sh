#!/usr/bin/env bash
# Runs each fuzz target for a while. Arguments: seconds for each target (default 60).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}

if [[ ! -f fuzz/Cargo.toml ]]; then
    echo "fuzz: there are no fuzz targets" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: needs a nightly compiler and cargo-fuzz: rustup toolchain install nightly && cargo install cargo-fuzz --locked" >&2
    exit 1
fi
cargo +nightly fuzz list | while read -r target; do
    echo "fuzz: $target for $seconds seconds"
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" </dev/null
done
