#!/usr/bin/env bash
# Through the gateway with the command line client `bq`. usage: door_bq.sh DEMO_FOLDER GATEWAY_URL
set -euo pipefail

demo=$1
url=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

export CLOUDSDK_CONFIG="$scratch/config"
export CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY="$url/"
export CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT="$url/v1/introspect"
export CLOUDSDK_CORE_PROJECT=acme-prod
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

as() { export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE="$demo/callers/$1.json"; }

step=0
# check WHAT CODE EXPECTED COMMAND...: it must end with that code, and its answer, on one line, must hold the text.
check() {
  local what=$1 code=$2 expected=$3 answer ended=0
  shift 3
  answer=$(bq --quiet "$@" 2>&1) || ended=$?
  answer=$(tr -s ' \n' ' ' <<<"$answer")
  if [[ $ended != "$code" || $answer != *"$expected"* ]]; then
    printf 'bq: %s: ended with %s, wanted %s and `%s` in:\n%s\n' "$what" "$ended" "$code" "$expected" "$answer" >&2
    exit 1
  fi
  step=$((step + 1))
  printf 'door, bq %2d  %s\n' "$step" "$what"
}

as report-job
check "datasets are listed" 0 clinic ls
check "a table is shown" 0 admitted_at show clinic.patients
check "selected rows are shown" 0 '| 1 | 20 |' head -n 2 --selected_fields id,patient_id clinic.visits
check "labelled rows are masked" 0 '| NULL |' head -n 2 --selected_fields id,diagnosis clinic.visits
check "labelled columns are masked" 0 'XXXXX' query --use_legacy_sql=false 'SELECT id, ssn AS innocent FROM clinic.patients LIMIT 2'
check "a query is answered" 0 '"n": "40"' query --format=prettyjson --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM clinic.patients'
check "a query is answered without a job of its own" 0 42 query --rpc --use_legacy_sql=false 'SELECT 42 AS x'
check "a dry run tells the bytes" 0 'will process 320 bytes' query --dry_run --use_legacy_sql=false 'SELECT id FROM clinic.patients'
check "a mistake is shown" 1 'Unrecognized name: nope' query --use_legacy_sql=false 'SELECT nope FROM clinic.patients'
check "a refusal says why" 1 'no rule permits it; accepted:' query --use_legacy_sql=false "SELECT id FROM clinic.patients WHERE ssn LIKE '1%'"
check "parameters are taken" 0 7 query --use_legacy_sql=false --parameter=a:INT64:7 'SELECT @a AS x'
check "a script is shown part by part" 0 42 query --use_legacy_sql=false 'DECLARE x INT64 DEFAULT 41; SELECT x + 1 AS y;'
check "jobs are listed" 0 SUCCESS ls -j -n 5
as etl-nightly
check "a table is made" 0 created mk --table staging.bq id:INTEGER,v:STRING
printf '{"id": 1, "v": "x"}\n{"id": 2, "v": "y"}\n' >"$scratch/rows.json"
check "rows are inserted" 0 '' insert staging.bq "$scratch/rows.json"
check "rows are changed" 0 'affected rows: 1' query --use_legacy_sql=false "UPDATE staging.bq SET v = 'z' WHERE id = 2"
check "a table is copied" 0 'successfully copied' cp staging.bq staging.bq_copy
printf 'id,v,day\n3,"p,q",2026-01-02\n4,,2026-01-03\n' >"$scratch/rows.csv"
check "CSV is loaded" 0 'Upload complete' load --autodetect --replace staging.bq_csv "$scratch/rows.csv"
check "JSON is loaded" 0 'Upload complete' load --source_format=NEWLINE_DELIMITED_JSON staging.bq "$scratch/rows.json"
check "all rows are there" 0 '"n":"4"' query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM staging.bq'
for table in bq bq_copy bq_csv; do check "a table is removed" 0 '' rm -f -t "staging.$table"; done
check "it is gone" 2 'Not found' show staging.bq
check "elsewhere nothing is made" 1 'no rule permits it' mk --table clinic.bq id:INTEGER
as stranger
check "a stranger sees nothing" 1 'Access Denied' ls clinic
as support-agent
check "an agent reads" 0 8 query --use_legacy_sql=false 'SELECT ward, COUNT(*) AS n FROM clinic.patients GROUP BY ward'
check "an agent drops nothing" 1 'agents do not write, drop or change anything' query --use_legacy_sql=false 'DROP TABLE clinic.visits'
