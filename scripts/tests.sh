#!/usr/bin/env bash
# Runs tests of the workspace and says on the last line how many ran. Arguments go to cargo: tests.sh --lib --bins
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() {
    if ! cargo nextest --version >/dev/null 2>&1; then
        cargo test --workspace --locked --no-fail-fast "$@"
        return
    fi
    local status=0
    cargo nextest run --workspace --locked "$@" || status=$?
    # nextest leaves out the examples in documentation.
    if (($# == 0)); then
        cargo test --workspace --locked --doc || status=$?
    fi
    return "$status"
}

# Adds up what the runners report: `test result: ok. 31 passed; 0 failed; 2 ignored` or `Summary [1.2s] 31 tests run: 31 passed, 2 skipped`.
sum() {
    sed -nE "/^(test result:| +Summary \[)/s/.*[^0-9]([0-9]+) $1.*/\1/p" "$log" | awk '{ total += $1 } END { print total + 0 }'
}

set +e
run "$@" </dev/null 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
set -e

passed=$(sum passed)
echo "tests: $passed passed, $(sum failed) failed, $(sum '(ignored|skipped)') left out"
if ((passed == 0)); then
    exit 1
fi
exit "$status"
