#!/usr/bin/env bash
# Checks licences, sources and versions of dependencies against deny.toml. The tool is built once and kept outside the target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.20.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/sluice/cargo-deny-$version"
tool="$folder/bin/cargo-deny"

if [[ ! -x $tool ]]; then
    echo "cargo-deny $version is not built yet: this takes a minute or two, once"
    # Not optimised: it runs for a second.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version "$version" --locked --profile dev --root "$folder" --quiet
fi
# The rules read the manifests of all dependencies, also of those that this machine does not compile.
cargo fetch --locked --quiet
exec "$tool" --offline --locked check --hide-inclusion-graph bans licenses sources
