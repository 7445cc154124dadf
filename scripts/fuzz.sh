#!/usr/bin/env bash
# Runs each fuzz target for a while, from its corpus on. Arguments: seconds for each target (default 60).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
grown=fuzz/target/corpus

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: needs cargo-fuzz: cargo install cargo-fuzz --locked" >&2
    exit 1
fi
if ! command -v xxd >/dev/null; then
    echo "fuzz: needs xxd to read the corpora that are written in hexadecimal" >&2
    exit 1
fi
# The coverage that a fuzzer steers by is a setting that a stable compiler takes only with this.
export RUSTC_BOOTSTRAP=1
for corpus in crates/*/corpus/*/; do
    corpus=${corpus%/}
    target=$(basename "$corpus")
    mkdir -p "$grown/$target"
    # Files in hexadecimal hold bytes, every other file is its own input.
    for file in "$corpus"/*; do
        case $file in
        *.hex) xxd -r -p "$file" "$grown/$target/$(basename "$file" .hex)" ;;
        *) cp "$file" "$grown/$target/" ;;
        esac
    done
    echo "fuzz: $target for $seconds seconds"
    # No address sanitizer: our code has no unsafe of its own, and the engine's guard pages and signals do not go with it.
    cargo fuzz run --dev --sanitizer none "$target" "$grown/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=4096 </dev/null
done
