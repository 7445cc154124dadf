#!/usr/bin/env bash
# Real clients, first against the sandbox warehouse and then through the gateway in front of it. usage: run.sh [--who]
# Needs python3; `bq` and Node take part where they are installed, and are missed loudly where they are not. SLUICE_CLIENTS_DEMANDED names
# those without which this fails, of: bq node network emulator. --who says who takes part, and does no more.
# SLUICE_PROGRAM names a program that is there already: then nothing is compiled, and the test of the token door alone is left to others.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/acceptance
python_client=google-cloud-bigquery==3.47.0
node_client=@google-cloud/bigquery@8.3.1
# Beside it, with what reads Arrow.
node_storage=@google-cloud/bigquery-storage@5.1.2
# Those that need an environment of their own: dbt pins what it stands on.
libraries=(google-cloud-bigquery==3.47.0 sqlalchemy-bigquery==1.17.3 pandas-gbq==0.35.3 dbt-core==1.11.16 dbt-bigquery==1.12.1)
# Where it is installed, SQLAlchemy and others use it unasked: it has a folder of its own. With it, what reads Avro.
storage_library=google-cloud-bigquery-storage==2.43.0
adbc_driver=(adbc-driver-bigquery==1.11.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1)
avro_library=fastavro==1.13.1
token=acceptance-$RANDOM$RANDOM$RANDOM
email=ada@acme.example

. "$here/servers.sh"
clients=(python sqlalchemy pandas-gbq dbt)
for client in bq node; do
  if takes_part "$client"; then clients+=("$client"); fi
done
printf 'clients: %s\n' "${clients[*]}"
if [[ ${1:-} == --who ]]; then exit 0; fi
"$here/skips.sh"

# here_is CLIENT: whether it takes part.
here_is() { [[ " ${clients[*]} " == *" $1 "* ]]; }

# node_folder: a folder with exactly those clients.
node_folder() {
  local folder="$cache/node-${node_client##*@}-${node_storage##*@}"
  if [[ ! -f $folder/.complete ]]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    npm install --silent --no-fund --no-audit --prefix "$folder" "$node_client" "$node_storage" >/dev/null
    touch "$folder/.complete"
  fi
  printf '%s' "$folder"
}

cd "$root"
python=$("$here/python.sh" "$python_client")
if [[ -n ${SLUICE_PROGRAM:-} ]]; then
  program=$SLUICE_PROGRAM
  missed token-door "SLUICE_PROGRAM is set, so Google's own library was not run against the token door alone"
else
  program=$PWD/${CARGO_TARGET_DIR:-target}/debug/sluice
  cargo build --quiet --workspace --bin sluice --bin sluice-verify --locked
  # Google's own library against the token door alone.
  SLUICE_PYTHON=$python cargo test --quiet --workspace --test token --locked -- --ignored
fi
"$program" engine install
libraries_python=$("$here/python.sh" "${libraries[@]}")
storage=$cache/${storage_library/==/-}-${avro_library/==/-}
if [[ ! -d $storage ]]; then
  "$libraries_python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$storage.new" "$storage_library" "$avro_library"
  mv "$storage.new" "$storage"
fi
adbc=$("$here/python.sh" "${adbc_driver[@]}")
if here_is node; then NODE_FOLDER=$(node_folder) && export NODE_FOLDER; fi
# From here on: whatever clients leave behind goes with the rest.
export TMPDIR=$scratch

"$program" sandbox --port 0 --admin --token "$token=$email" >"$scratch/addresses" &
servers+=($!)
# REST, then gRPC.
waits sh -c "[ \$(wc -l <'$scratch/addresses') = 2 ]"
mapfile -t addresses <"$scratch/addresses"
url=${addresses[0]}
beside emulator "$here/door_emulator.sh" "$program" "$libraries_python"
"$python" "$here/tour.py" "$url" "$token" "$email"
PYTHONPATH=$storage "$libraries_python" "$here/storage.py" "$url" "${addresses[1]}" "$token"
export WAY=warehouse
if here_is bq; then
  printf '%s' "$token" >"$scratch/token"
  CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY="$url/" CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="$scratch/token" CLOUDSDK_CORE_PROJECT=acme-prod \
    beside warehouse-bq "$here/tour_bq.sh" warehouse
fi
if here_is node; then node "$here/tour_node.mjs" warehouse nobody "$url" "$token"; fi

demo=$scratch/demo
"$program" demo --dir "$demo" --no-tour >"$scratch/demo.log" 2>&1 &
servers+=($!)
waits test -s "$demo/demo.json"
gateway=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["gateway"]["plain"])' "$demo/demo.json")
beside labels "$here/door_labels.sh" "$program" "$libraries_python"
beside tls "$here/door_tls.sh" "$program" "$libraries_python" "$storage" "$adbc"
export WAY=door
led python "$gateway" "$demo/callers/report-job.json" "$python" "$here/door.py" "$demo" "$program"

since=$(date +%s%3N)
# through CLIENT CALLER COMMAND...: led there by what `client-config` prints; what it asks is written down.
through() { ASKED="$scratch/asked-$1" led "$1" "$gateway" "$demo/callers/$2.json" "${@:3}"; }

through sqlalchemy report-job "$libraries_python" -W ignore "$here/libraries.py" sqlalchemy report-job
through pandas-gbq etl-nightly "$libraries_python" -W ignore "$here/libraries.py" pandas-gbq etl-nightly
if here_is node; then
  issued=$demo/node.key.json
  "$program" credentials issue --config "$demo" --name node --project acme-prod --group staff --expires "$(date -u -d '+1 month' +%F)" \
    --universe-domain sluice.test --by ada --reason "the tour" --out "$issued" >/dev/null
  through node etl-nightly node "$here/tour_node.mjs" gateway etl-nightly "$issued" "$gateway"
fi
beside dbt through dbt etl-nightly "$here/tour_dbt.sh" "$(dirname "$libraries_python")/dbt" etl-nightly debug seed run run test "docs generate" steals
if here_is bq; then through bq report-job "$here/tour_bq.sh" gateway "$demo/callers"; fi

joined
for client in "${clients[@]}"; do
  # Python's tour looks at its record itself.
  if [[ $client != python ]]; then python3 "$here/record.py" "$demo" "$program" "$since" "$client=$scratch/asked-$client"; fi
done
