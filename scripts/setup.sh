#!/usr/bin/env bash
# Checks what has to be on the machine, and installs the Debian packages among it that are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
    need_rust
    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
    # GoogleSQL reads time zones from here.
    [[ -e /usr/share/zoneinfo/UTC ]] || missing+=(tzdata)
    if ((${#missing[@]} > 0)); then
        install_packages "${missing[@]}"
    fi
}

# rustup reads rust-toolchain.toml and fetches what is pinned there; without rustup the compiler has to be new enough.
need_rust() {
    command -v cargo >/dev/null || refuse "cargo is missing: install Rust with rustup"
    local wanted found
    wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    found=$(rustc --version | cut -d' ' -f2)
    [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n1) == "$wanted" ]] || refuse "rustc $found is too old: $wanted is needed"
    cargo clippy --version >/dev/null && cargo fmt --version >/dev/null || refuse "clippy or rustfmt is missing: rustup component add clippy rustfmt"
}

install_packages() {
    command -v apt-get >/dev/null || refuse "missing, and no apt-get to install it with: $*"
    local as_root=()
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || refuse "missing: $*. Install it as root: apt-get install $*"
        as_root=(sudo -n)
    fi
    echo "setup: installing $*"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

refuse() {
    echo "setup: $1" >&2
    exit 1
}

main </dev/null
