#!/usr/bin/env bash
# The same warehouse through the command line client `bq`. usage: tour_bq.sh URL BEARER_TOKEN
set -euo pipefail

url=$1
token=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

printf '%s' "$token" >"$scratch/token"
export CLOUDSDK_CONFIG="$scratch/config"
export CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY="$url/"
export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="$scratch/token"
export CLOUDSDK_CORE_PROJECT=acme-prod
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

step=0
# check WHAT CODE EXPECTED COMMAND...: it must end with that code, and its answer must hold the text.
check() {
  local what=$1 code=$2 expected=$3 answer ended=0
  shift 3
  answer=$(bq --quiet "$@" 2>&1) || ended=$?
  if [[ $ended != "$code" || $answer != *"$expected"* ]]; then
    printf 'bq: %s: ended with %s, wanted %s and `%s` in:\n%s\n' "$what" "$ended" "$code" "$expected" "$answer" >&2
    exit 1
  fi
  step=$((step + 1))
  printf 'bq %2d  %s\n' "$step" "$what"
}

check "datasets are listed" 0 clinic ls
check "tables are listed" 0 patients ls clinic
check "a table is shown" 0 admitted_at show clinic.patients
check "rows are shown" 0 @canary.example head -n 3 clinic.patients
check "a query is answered" 0 '"n": "40"' query --format=prettyjson --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM clinic.patients'
check "a query is answered without a job of its own" 0 42 query --rpc --use_legacy_sql=false 'SELECT 42 AS x'
check "a dry run tells the bytes" 0 'will process 320 bytes' query --dry_run --use_legacy_sql=false 'SELECT id FROM clinic.patients'
check "an error is shown" 1 'Unrecognized name: nope' query --use_legacy_sql=false 'SELECT nope FROM clinic.patients'
check "a dataset is made" 0 created mk --dataset tour_bq
check "a table is made" 0 created mk --table tour_bq.t id:INTEGER,v:STRING
printf '{"id": 1, "v": "x"}\n{"id": 2, "v": "y"}\n' >"$scratch/rows.json"
check "rows are inserted" 0 '' insert tour_bq.t "$scratch/rows.json"
check "rows are changed" 0 'Number of affected rows: 1' query --use_legacy_sql=false "UPDATE tour_bq.t SET v = 'z' WHERE id = 2"
check "changed rows are read" 0 '"v":"z"' query --format=json --use_legacy_sql=false 'SELECT v FROM tour_bq.t WHERE id = 2'
check "jobs are listed" 0 SUCCESS ls -j -n 5
check "what is not done says so" 1 'does not do this' cp tour_bq.t tour_bq.u
check "a dataset is removed" 0 '' rm -r -f --dataset tour_bq
check "it is gone" 2 'Not found: Dataset' show tour_bq
