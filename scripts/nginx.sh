#!/usr/bin/env bash
# An nginx for `make bench`, unpacked below target/: Debian's package would start a server on port 80. Does nothing where there is one already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
    local folder=${CARGO_TARGET_DIR:-target}/nginx
    if [[ -x $folder/usr/sbin/nginx || -x /usr/sbin/nginx ]]; then
        return
    fi
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || miss "no apt-get to fetch it with"
    mkdir -p "$folder"
    (cd "$folder" && apt-get download -q nginx) || miss "apt-get cannot download it: try apt-get update"
    dpkg -x "$folder"/nginx_*.deb "$folder"
    # It needs libraries that most machines have.
    "$folder/usr/sbin/nginx" -v || { rm -r "$folder" && miss "it does not run here"; }
}

miss() {
    echo "bench: SKIPPED: nothing is compared with nginx: $1" >&2
    exit 0
}

main </dev/null
