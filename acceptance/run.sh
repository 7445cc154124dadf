#!/usr/bin/env bash
# Real clients against the sandbox warehouse. Needs python3; `bq` and npm are used where they are installed, and missed loudly where they are not.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/acceptance
python_client=google-cloud-bigquery==3.47.0
node_client=@google-cloud/bigquery@8.3.1
token=acceptance-$RANDOM$RANDOM$RANDOM
email=ada@acme.example

# python_environment: a virtual environment for exactly that client.
python_environment() {
  local environment="$cache/${python_client/==/-}"
  if [[ ! -f $environment/.complete ]]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$python_client"
    touch "$environment/.complete"
  fi
  printf '%s' "$environment"
}

# node_environment: a folder with exactly that client.
node_environment() {
  local environment="$cache/node-${node_client##*@}"
  if [[ ! -f $environment/.complete ]]; then
    rm -rf "$environment"
    mkdir -p "$environment"
    npm install --silent --no-fund --no-audit --prefix "$environment" "$node_client" >/dev/null
    touch "$environment/.complete"
  fi
  printf '%s' "$environment"
}

missed() {
  printf '\n*** SKIPPED: %s is not installed, so its tour did not run ***\n\n' "$1" >&2
}

scratch=$(mktemp -d)
server=
stop() {
  if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap stop EXIT

cd "$root"
sluice=${CARGO_TARGET_DIR:-target}/debug/sluice
cargo build --quiet --package sluice --bin sluice --locked
"$sluice" engine install
"$sluice" sandbox --port 0 --admin --token "$token=$email" >"$scratch/address" &
server=$!
for _ in $(seq 300); do
  if [[ -s $scratch/address ]]; then break; fi
  kill -0 "$server"
  sleep 0.1
done
url=$(cat "$scratch/address")

"$(python_environment)/bin/python" "$here/tour.py" "$url" "$token" "$email"

if command -v bq >/dev/null; then
  "$here/tour_bq.sh" "$url" "$token"
else
  missed bq
fi

if command -v npm >/dev/null; then
  environment=$(node_environment)
  cp "$here/tour_node.mjs" "$environment/tour_node.mjs"
  node "$environment/tour_node.mjs" "$url" "$token"
else
  missed npm
fi
