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
# check WHAT CODE EXPECTED COMMAND...: it must end with that code, and its answer, on one line, must hold the text.
check() {
  local what=$1 code=$2 expected=$3 answer ended=0
  shift 3
  answer=$(bq --quiet "$@" 2>&1) || ended=$?
  # bq breaks lines where a terminal would.
  answer=$(tr -s ' \n' ' ' <<<"$answer")
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
check "a table is copied" 0 'successfully copied' cp tour_bq.t tour_bq.u
check "a table is not copied over another one" 0 'already exists, skipping' cp -n tour_bq.t tour_bq.u
check "a table is copied behind another one" 0 'successfully copied' cp -a tour_bq.t tour_bq.u
printf 'id,v,day\n3,"p,q",2026-01-02\n4,,2026-01-03\n' >"$scratch/rows.csv"
check "CSV is loaded" 0 'Upload complete' load --skip_leading_rows=1 tour_bq.c "$scratch/rows.csv" id:INTEGER,v:STRING,day:DATE
check "loaded CSV is read" 0 '[{"day":"2026-01-02","id":"3","v":"p,q"}]' query --format=json --use_legacy_sql=false 'SELECT * FROM tour_bq.c WHERE v IS NOT NULL'
check "CSV is loaded with types that are found" 0 'Upload complete' load --autodetect --replace tour_bq.c "$scratch/rows.csv"
check "found types are shown" 0 '"type":"DATE"' show --format=json tour_bq.c
printf '{"id": 5, "v": "j"}\n{"id": "six"}\n' >"$scratch/bad.json"
check "JSON is loaded" 0 'Upload complete' load --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/rows.json"
check "bad JSON is shown" 1 'Field: id; Value: six' load --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/bad.json"
check "bad JSON is left out where that is wanted" 0 'Upload complete' load --max_bad_records=1 --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/bad.json"
: >"$scratch/empty.csv"
check "an empty file is loaded" 0 '' load tour_bq.t "$scratch/empty.csv"
check "all rows are there" 0 '"n":"5"' query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM tour_bq.t'
check "loads and copies are listed" 0 load ls -j -n 50
check "what is not done says so" 1 'does not do this' extract tour_bq.t gs://bucket/file.csv
check "a format that is not read says so" 1 'load jobs of `PARQUET`' load --source_format=PARQUET tour_bq.p "$scratch/rows.csv"
check "a dataset is removed" 0 '' rm -r -f --dataset tour_bq
check "it is gone" 2 'Not found: Dataset' show tour_bq
