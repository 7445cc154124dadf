#!/usr/bin/env bash
# The gateway in front of bqemulator, a warehouse that others have written: each client takes the same steps there directly and through the gateway.
# usage: door_emulator.sh PROGRAM PYTHON
# PYTHON has all libraries. Node takes part where NODE_FOLDER names its client.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$1
python=$2
. "$here/servers.sh"
# The database in it finds no extensions for other versions.
packages=(bqemulator==1.4.0 duckdb==1.5.5 duckdb-extension-spatial==1.5.5 numpy pytz)
if ! emulator=$("$here/python.sh" "${packages[@]}"); then
  missed emulator "bqemulator cannot be installed, so the gateway did not stand in front of it"
  exit 0
fi

port=$(free_port)
upstream=http://127.0.0.1:$port
mkdir "$scratch/emulator" "$scratch/outcomes"
"$emulator" "$here/emulator.py" "$scratch/emulator" "$port" "$(free_port)" >"$scratch/emulator.log" 2>&1 &
servers+=($!)
if ! waits python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()' "$port"; then
  cat "$scratch/emulator.log" >&2
  exit 1
fi
demo=$scratch/demo
"$program" demo --upstream "$upstream" --dir "$demo" --no-tour >"$scratch/demo.log" 2>&1 &
servers+=($!)
waits test -s "$demo/demo.json"
gateway=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["gateway"]["plain"])' "$demo/demo.json")

door() { "$python" -W ignore "$here/door_emulator.py" "$demo" "$upstream" "$@"; }

# What a client needs at the emulator beside an address. Everybody has the gateway's tokens, which the emulator does not look at.
bq-directly() { CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT="$gateway/v1/introspect" "$here/tour_bq.sh" probe "$demo/callers"; }
node-directly() { BIGQUERY_EMULATOR_HOST="$upstream/bigquery/v2" "$@"; }

# both CLIENT CALLER COMMAND...: directly and through the gateway. How each step ended is compared when all are over.
both() {
  local client=$1 caller=$2 way_there url beside_it
  shift 2
  for way_there in directly through; do
    url=$upstream
    if [[ $way_there == through ]]; then url=$gateway; fi
    beside_it=()
    if declare -F "$client-$way_there" >/dev/null; then beside_it=("$client-$way_there"); fi
    door seed
    # Not a word of it but where a step fails otherwise than known.
    if ! OUTCOMES="$scratch/outcomes/$client-$way_there" ASKED="$scratch/asked-$client-$way_there" led "$client" "$url" "$demo/callers/$caller.json" \
      "${beside_it[@]}" "$@" >"$scratch/$client-$way_there.log" 2>&1; then
      tail -n 50 "$scratch/$client-$way_there.log" "$scratch/emulator.log" "$scratch/demo.log" >&2
      exit 1
    fi
  done
}

since=$(date +%s%3N)
door seed
for way_there in directly through; do OUTCOMES="$scratch/outcomes/python-$way_there" door python "$way_there" >/dev/null; done
both sqlalchemy report-job "$python" -W ignore "$here/libraries.py" sqlalchemy report-job
both pandas-gbq etl-nightly "$python" -W ignore "$here/libraries.py" pandas-gbq etl-nightly
if [[ -n ${NODE_FOLDER:-} ]]; then both node etl-nightly node "$here/tour_node.mjs" emulator etl-nightly; fi
both dbt etl-nightly "$here/tour_dbt.sh" "$(dirname "$python")/dbt" etl-nightly debug seed run run test "docs generate" steals
if takes_part bq; then both bq report-job "$here/tour_bq.sh" emulator "$demo/callers"; fi
door seed
door front
if ! door compare "$scratch/outcomes"; then
  tail -n 50 "$scratch/emulator.log" "$scratch/demo.log" >&2
  exit 1
fi
for asked in "$scratch"/asked-*-through; do
  client=${asked##*/asked-}
  python3 "$here/record.py" --of-another-warehouse "$demo" "$program" "$since" "${client%-through}=$asked"
done
