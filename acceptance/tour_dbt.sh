#!/usr/bin/env bash
# dbt, led by the environment alone. usage: tour_dbt.sh DBT CALLER COMMAND...
# A command may have arguments in it, such as "docs generate". `steals` stands for a run with a model that reads a labelled column: it has to be refused.
# OUTCOMES, ASKED and WAY as in steps.py. What was asked is what dbt's own log says that it sent.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dbt=$1
caller=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$here/dbt" "$scratch/dbt"
cd "$scratch/dbt"

# ran COMMAND...: whether it did what it should.
ran() {
  local flags=(--no-use-colors --log-format-file json --log-level-file debug --log-path "logs/$number")
  if [[ $1 == steals ]]; then
    if "$dbt" "${flags[@]}" run --profiles-dir . --vars '{steals: true}' --select stolen >"$scratch/said" 2>&1; then return 1; fi
    grep -qF 'Access Denied: it needs approval' "$scratch/said"
  else
    "$dbt" "${flags[@]}" $1 --profiles-dir . >"$scratch/said" 2>&1
  fi
}

number=0
tried=()
for command in "$@"; do
  # The second `run` merges into what the first has made.
  step=$command
  if [[ " ${tried[*]} " == *" $command "* ]]; then step="$command again"; fi
  tried+=("$command")
  number=$((number + 1))
  why=null
  if ran "$command"; then
    printf '%s, dbt %d  %s\n' "${WAY:-door}" "$number" "$step"
  else
    cat "$scratch/said" >&2
    if [[ -z ${OUTCOMES:-} ]]; then exit 1; fi
    why=$(python3 -c 'import json, sys; print(json.dumps(" ".join(open(sys.argv[1]).read().split())[-300:]))' "$scratch/said")
  fi
  if [[ -n ${OUTCOMES:-} ]]; then printf '{"step": "%s", "why": %s}\n' "$step" "$why" >>"$OUTCOMES"; fi
done

if [[ -n ${ASKED:-} ]]; then
  python3 - "$caller" "$ASKED" logs/*/dbt.log <<'SCRIPT'
import json, sys
caller, out, *logs = sys.argv[1:]
with open(out, "a") as out:
    for log in logs:
        for line in open(log):
            said = json.loads(line)
            if said["info"]["name"] == "SQLQuery":
                is_theft = said["data"].get("node_info", {}).get("node_name") == "stolen"
                print(json.dumps({"caller": caller, "statement": said["data"]["sql"], "ends": "refused" if is_theft else "completed"}), file=out)
SCRIPT
  if [[ " ${tried[*]} " == *" seed "* ]]; then printf '{"caller": "%s", "loads": "staging.little", "ends": "completed"}\n' "$caller" >>"$ASKED"; fi
fi
