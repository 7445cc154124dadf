#!/usr/bin/env bash
# Labels follow through three models of a dbt project: a table, a view over it, an incremental table of that. usage: door_labels.sh PROGRAM PYTHON
# The starter set holds what copies a labelled column until its owners agree; here they have.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$1
python=$2
. "$here/servers.sh"

mkdir "$scratch/policy"
cp "$here"/../examples/policy/starter/*.toml "$here"/../examples/policy/starter/*.cedar "$scratch/policy"
sed -i '/^@id("ci-copies-labelled")/,/^permit/ { /^@hold/d }' "$scratch"/policy/*.cedar
if [[ $(cat "$here"/../examples/policy/starter/*.cedar | grep -c '^@hold') != $(($(cat "$scratch"/policy/*.cedar | grep -c '^@hold') + 1)) ]]; then
  printf 'labels: not one hold was taken out of the policy\n' >&2
  exit 1
fi
demo=$scratch/demo
"$program" demo --dir "$demo" --no-tour --policy "$scratch/policy" >"$scratch/demo.log" 2>&1 &
servers+=($!)
waits test -s "$demo/demo.json"
gateway=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["gateway"]["plain"])' "$demo/demo.json")

cp -r "$here/dbt_labels" "$scratch/project"
cd "$scratch/project"
for run in first second; do
  led dbt "$gateway" "$demo/callers/etl-nightly.json" "$(dirname "$python")/dbt" --no-use-colors run --profiles-dir . >"$scratch/dbt.log" 2>&1 || {
    cat "$scratch/dbt.log" >&2
    exit 1
  }
  printf 'labels, dbt  %s run of three models\n' "$run"
done
"$program" labels list --config "$demo" >"$scratch/listed"
led python "$gateway" "$demo/callers/report-job.json" "$python" -W ignore "$here/labels.py" "$demo" "$scratch/listed"
