#!/usr/bin/env bash
# The command line client `bq`, led by the environment alone. usage: tour_bq.sh PLACE [CALLERS]
#   warehouse  as whoever the environment names
#   gateway    as several callers, whose files are CALLERS/NAME.json
#   emulator   the same, without what the gateway alone answers
#   domain     as one caller, by the universe domain: a few
#   probe      whether it can begin at all
# OUTCOMES, ASKED and WAY as in steps.py.
set -euo pipefail

place=$1
callers=${2:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CLOUDSDK_CONFIG="$scratch/config"
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

caller=report-job
as() {
  caller=$1
  if [[ -n $callers ]]; then export CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE="$callers/$1.json"; fi
}

# text TEXT: as JSON has it.
text() {
  local given=${1//\\/\\\\}
  given=${given//\"/\\\"}
  printf '"%s"' "${given//[[:cntrl:]]/ }"
}

# written FILE NAME VALUE...: one object on a line of its own.
written() {
  local file=$1 line=
  shift
  [[ -n $file ]] || return 0
  while (($# > 0)); do
    line+="${line:+, }\"$1\": $2"
    shift 2
  done
  printf '{%s}\n' "$line" >>"$file"
}

# asked ENDS COMMAND...: writes down what this command of bq asks, before it does.
asked() {
  local ends=$1 argument parameters=() dry=false
  shift
  [[ -n ${ASKED:-} ]] || return 0
  local who=(caller "$(text "$caller")" ends "$(text "$ends")")
  case $1 in
    query)
      for argument in "$@"; do
        case $argument in
          --dry_run) dry=true ;;
          --parameter=*)
            argument=${argument#--parameter=}
            parameters+=("[$(text "${argument%%:*}"), $(text "${argument##*:}")]")
            ;;
        esac
      done
      local given
      given=$(IFS=,; printf '[%s]' "${parameters[*]}")
      written "$ASKED" "${who[@]}" statement "$(text "${*: -1}")" parameters "$given" dry "$dry"
      ;;
    load) written "$ASKED" "${who[@]}" loads "$(text "${*: -2:1}")" ;;
    cp) written "$ASKED" "${who[@]}" copies "$(text "${*: -1}")" ;;
    insert) written "$ASKED" "${who[@]}" method '"bigquery.tabledata.insertAll"' target "$(text "$2")" ;;
    rm) written "$ASKED" "${who[@]}" method '"bigquery.tables.delete"' target "$(text "${*: -1}")" ;;
    mk) written "$ASKED" "${who[@]}" method '"bigquery.tables.insert"' target "$(text "$3")" ;;
  esac
}

step=0
# check WHAT ENDS CODE EXPECTED COMMAND...: it must end with that code, and its answer, on one line, must hold the text. ENDS is what the record says of it.
check() {
  local what=$1 ends=$2 code=$3 expected=$4 answer ended=0 why=null
  shift 4
  asked "$ends" "$@"
  answer=$(bq --quiet "$@" 2>&1) || ended=$?
  # bq breaks lines where a terminal would.
  answer=$(tr -s ' \n' ' ' <<<"$answer")
  if [[ $ended != "$code" || $answer != *"$expected"* ]]; then
    printf 'bq: %s: ended with %s, wanted %s and `%s` in:\n%s\n' "$what" "$ended" "$code" "$expected" "$answer" >&2
    if [[ -z ${OUTCOMES:-} ]]; then exit 1; fi
    why=$(text "ended with $ended: ${answer:0:300}")
  fi
  written "${OUTCOMES:-}" step "$(text "$what")" why "$why"
  step=$((step + 1))
  if [[ $why == null ]]; then printf '%s, bq %2d  %s\n' "${WAY:-$place}" "$step" "$what"; fi
}

printf '{"id": 1, "v": "x"}\n{"id": 2, "v": "y"}\n' >"$scratch/rows.json"
printf 'id,v,day\n3,"p,q",2026-01-02\n4,,2026-01-03\n' >"$scratch/rows.csv"

if [[ $place == domain ]]; then
  check "a query is answered" completed 0 '"n":"40"' query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM clinic.patients'
  check "a refusal is shown" refused 1 'Access Denied' query --use_legacy_sql=false "SELECT id FROM clinic.patients WHERE ssn > '9'"
  exit
fi

as report-job
check "datasets are listed" completed 0 clinic ls
if [[ $place == probe ]]; then exit; fi
check "tables are listed" completed 0 patients ls clinic
check "a table is shown" completed 0 patient_id show clinic.visits
check "a query is answered" completed 0 '"n": "40"' query --format=prettyjson --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM clinic.patients'
check "a query is answered without a job of its own" completed 0 42 query --rpc --use_legacy_sql=false 'SELECT 42 AS x'
check "a dry run tells the bytes" completed 0 'will process 320 bytes' query --dry_run --use_legacy_sql=false 'SELECT id FROM clinic.patients'
check "a mistake is shown" meaningless 1 'nope' query --use_legacy_sql=false 'SELECT nope FROM clinic.patients'
check "parameters are taken" completed 0 7 query --use_legacy_sql=false --parameter=a:INT64:7 'SELECT @a AS x'
check "a script is shown part by part" completed 0 42 query --use_legacy_sql=false 'DECLARE x INT64 DEFAULT 41; SELECT x + 1 AS y;'
check "jobs are listed" completed 0 SUCCESS ls -j -n 5
as etl-nightly
check "a table is made" completed 0 created mk --table staging.bq id:INTEGER,v:STRING
check "rows are inserted" completed 0 '' insert staging.bq "$scratch/rows.json"
check "rows are changed" completed 0 'affected rows: 1' query --use_legacy_sql=false "UPDATE staging.bq SET v = 'z' WHERE id = 2"
check "changed rows are read" completed 0 '"v":"z"' query --format=json --use_legacy_sql=false 'SELECT v FROM staging.bq WHERE id = 2'
check "a table is copied" completed 0 'successfully copied' cp staging.bq staging.bq_copy
check "CSV is loaded" completed 0 'Upload complete' load --autodetect --replace staging.bq_csv "$scratch/rows.csv"
check "JSON is loaded" completed 0 'Upload complete' load --source_format=NEWLINE_DELIMITED_JSON staging.bq "$scratch/rows.json"
check "all rows are there" completed 0 '"n":"4"' query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM staging.bq'
for table in bq bq_copy bq_csv; do check "$table is removed" completed 0 '' rm -f -t "staging.$table"; done
check "it is gone" failed 2 'Not found' show staging.bq

if [[ $place == warehouse ]]; then
  check "rows are shown" completed 0 @canary.example head -n 3 clinic.patients
  check "a dataset is made" completed 0 created mk --dataset tour_bq
  check "a table of it is made" completed 0 created mk --table tour_bq.t id:INTEGER,v:STRING
  check "rows are loaded into it" completed 0 'Upload complete' load --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/rows.json"
  check "it is copied" completed 0 'successfully copied' cp tour_bq.t tour_bq.u
  check "a table is not copied over another one" completed 0 'already exists, skipping' cp -n tour_bq.t tour_bq.u
  check "a table is copied behind another one" completed 0 'successfully copied' cp -a tour_bq.t tour_bq.u
  check "CSV is loaded as it is described" completed 0 'Upload complete' load --skip_leading_rows=1 tour_bq.c "$scratch/rows.csv" id:INTEGER,v:STRING,day:DATE
  check "loaded CSV is read" completed 0 '[{"day":"2026-01-02","id":"3","v":"p,q"}]' query --format=json --use_legacy_sql=false 'SELECT * FROM tour_bq.c WHERE v IS NOT NULL'
  check "CSV is loaded with types that are found" completed 0 'Upload complete' load --autodetect --replace tour_bq.c "$scratch/rows.csv"
  check "found types are shown" completed 0 '"type":"DATE"' show --format=json tour_bq.c
  printf '{"id": 5, "v": "j"}\n{"id": "six"}\n' >"$scratch/bad.json"
  check "bad JSON is shown" failed 1 'Field: id; Value: six' load --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/bad.json"
  check "bad JSON is left out where that is wanted" completed 0 'Upload complete' load --max_bad_records=1 --source_format=NEWLINE_DELIMITED_JSON tour_bq.t "$scratch/bad.json"
  : >"$scratch/empty.csv"
  check "an empty file is loaded" completed 0 '' load tour_bq.t "$scratch/empty.csv"
  check "all rows are in it" completed 0 '"n":"3"' query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM tour_bq.t'
  check "loads and copies are listed" completed 0 load ls -j -n 50
  check "what is not done says so" failed 1 'does not do this' extract tour_bq.t gs://bucket/file.csv
  check "a format that is not read says so" failed 1 'load jobs of `PARQUET`' load --source_format=PARQUET tour_bq.p "$scratch/rows.csv"
  check "a dataset is removed" completed 0 '' rm -r -f --dataset tour_bq
  check "the dataset is gone" failed 2 'Not found: Dataset' show tour_bq
  exit
fi

as report-job
check "a refusal says why" refused 1 'no rule permits it; accepted:' query --use_legacy_sql=false "SELECT id FROM clinic.patients WHERE ssn LIKE '1%'"
as etl-nightly
check "elsewhere nothing is made" refused 1 'no rule permits it' mk --table clinic.bq id:INTEGER
as stranger
check "a stranger asks nothing" refused 1 'Access Denied' query --use_legacy_sql=false 'SELECT 1 AS x'
as support-agent
check "an agent drops nothing" refused 1 'agents do not write, drop or change anything' query --use_legacy_sql=false 'DROP TABLE clinic.visits'

if [[ $place == gateway ]]; then
  as report-job
  check "selected rows are shown" completed 0 '| 1 | 20 |' head -n 2 --selected_fields id,patient_id clinic.visits
  check "labelled rows are masked" completed 0 '| NULL |' head -n 2 --selected_fields id,diagnosis clinic.visits
  check "labelled columns are masked" completed 0 XXXXX query --use_legacy_sql=false 'SELECT id, ssn AS innocent FROM clinic.patients LIMIT 2'
  as stranger
  check "a stranger sees nothing" refused 1 'Access Denied' ls clinic
  as support-agent
  check "an agent reads" completed 0 8 query --use_legacy_sql=false 'SELECT ward, COUNT(*) AS n FROM clinic.patients GROUP BY ward'
fi
