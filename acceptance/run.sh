#!/usr/bin/env bash
# Real clients, first against the sandbox warehouse and then through the gateway in front of it. Needs python3; `bq` and npm are used where
# they are installed, and missed loudly where they are not.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/acceptance
python_client=google-cloud-bigquery==3.47.0
node_client=@google-cloud/bigquery@8.3.1
# Those that need an environment of their own: dbt pins what it stands on.
libraries=(google-cloud-bigquery==3.47.0 sqlalchemy-bigquery==1.17.3 pandas-gbq==0.35.3 dbt-core==1.11.16 dbt-bigquery==1.12.1)
# Where it is installed, SQLAlchemy and others use it unasked: it has a folder of its own. With it, what reads Avro.
storage_library=google-cloud-bigquery-storage==2.43.0
avro_library=fastavro==1.13.1
token=acceptance-$RANDOM$RANDOM$RANDOM
email=ada@acme.example

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
servers=()
names=()
tours=()
stop() {
  for server in "${servers[@]}" "${tours[@]}"; do kill "$server" 2>/dev/null || true; done
  # They write until they have ended.
  wait || true
  rm -rf "$scratch"
}
trap stop EXIT

cd "$root"
sluice=${CARGO_TARGET_DIR:-target}/debug/sluice
cargo build --quiet --workspace --bin sluice --bin sluice-verify --locked
"$sluice" engine install
python=$("$here/python.sh" "$python_client")
# Google's own library against the token door alone.
SLUICE_PYTHON=$python cargo test --quiet --workspace --test token --locked -- --ignored
# From here on: whatever clients leave behind goes with the rest.
export TMPDIR=$scratch

# beside NAME COMMAND...: while the rest goes on; what it said is shown at the end.
beside() {
  names+=("$1")
  "${@:2}" >"$scratch/$1.log" 2>&1 &
  tours+=($!)
}

# started FILE: waits until the server that was started last has written it.
started() {
  for _ in $(seq 600); do
    if [[ -s $1 ]]; then return; fi
    kill -0 "${servers[-1]}"
    sleep 0.1
  done
  return 1
}

"$sluice" sandbox --port 0 --admin --token "$token=$email" >"$scratch/addresses" &
servers+=($!)
started "$scratch/addresses"
mapfile -t addresses <"$scratch/addresses"
url=${addresses[0]}
beside emulator "$here/door_emulator.sh" "$sluice" "$python"
"$python" "$here/tour.py" "$url" "$token" "$email"

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

demo=$scratch/demo
"$sluice" demo --dir "$demo" --no-tour >"$scratch/demo.log" 2>&1 &
servers+=($!)
started "$demo/demo.json"
gateway=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["gateway"]["plain"])' "$demo/demo.json")

"$python" "$here/door.py" "$demo" "$sluice"

libraries_python=$("$here/python.sh" "${libraries[@]}")
storage=$cache/${storage_library/==/-}-${avro_library/==/-}
if [[ ! -d $storage ]]; then
  "$libraries_python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$storage.new" "$storage_library" "$avro_library"
  mv "$storage.new" "$storage"
fi
PYTHONPATH=$storage "$libraries_python" "$here/storage.py" "$url" "${addresses[1]}" "$token"
beside tls "$here/door_tls.sh" "$sluice" "$libraries_python" "$storage"
"$libraries_python" "$here/door_libraries.py" "$demo"
cp -r "$here/dbt" "$scratch/dbt"
export GATEWAY=$gateway BIGQUERY_EMULATOR_HOST=$gateway GOOGLE_CLOUD_PROJECT=acme-prod
for command in debug seed run run test "docs generate"; do
  # Twice `run`: the second one merges into what the first has made.
  if ! (cd "$scratch/dbt" && GOOGLE_APPLICATION_CREDENTIALS=$demo/callers/etl-nightly.json \
    "$(dirname "$libraries_python")/dbt" --no-use-colors --quiet $command --profiles-dir . >"$scratch/dbt.log" 2>&1); then
    cat "$scratch/dbt.log" >&2
    exit 1
  fi
  printf 'door, dbt  %s\n' "$command"
done
unset GATEWAY BIGQUERY_EMULATOR_HOST GOOGLE_CLOUD_PROJECT

if command -v bq >/dev/null; then "$here/door_bq.sh" "$demo" "$gateway"; else missed bq; fi
if command -v npm >/dev/null; then
  cp "$here/door_node.mjs" "$environment/door_node.mjs"
  "$sluice" credentials issue --config "$demo" --name node --project acme-prod --group staff --expires "$(date -u -d '+1 month' +%F)" \
    --universe-domain sluice.test --by ada --reason "the tour" --out "$demo/node.key.json" >/dev/null
  GOOGLE_APPLICATION_CREDENTIALS=$demo/callers/etl-nightly.json node "$environment/door_node.mjs" "$gateway" "$demo/node.key.json"
else
  missed npm
fi

failed=0
for number in "${!tours[@]}"; do
  if ! wait "${tours[number]}"; then
    printf 'the tour `%s` failed\n' "${names[number]}" >&2
    failed=1
  fi
  cat "$scratch/${names[number]}.log"
done
tours=()
exit "$failed"
