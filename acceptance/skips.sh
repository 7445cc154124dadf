#!/usr/bin/env bash
# A client that is missing is missed loudly, and where it is demanded the run fails: tried with programs taken away. usage: skips.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# All that PATH leads to, but for the names that a trial takes away.
mkdir "$scratch/all"
IFS=: read -ra folders <<<"$PATH"
for folder in "${folders[@]}"; do
  if [[ -d $folder ]]; then find -L "$folder" -maxdepth 1 -type f -perm -u+x -exec ln -s -t "$scratch/all" {} + 2>/dev/null || true; fi
done
# Whether they are here or not, in the trials they are.
for command in bq node npm; do ln -sf "$(command -v true)" "$scratch/all/$command"; done

# check WITHOUT DEMANDED CODE EXPECTED...: says all of these, or, where one begins with a `-`, not that.
check() {
  local without=$1 demanded=$2 code=$3 ended=0 said part trial
  shift 3
  trial=$(mktemp -d -p "$scratch")
  cp -P "$scratch/all/." -r "$trial"
  for command in $without; do rm "$trial/$command"; done
  said=$(PATH=$trial SLUICE_CLIENTS_DEMANDED=$demanded "$here/run.sh" --who 2>&1) || ended=$?
  if [[ $ended != "$code" ]]; then
    printf 'skips: without `%s`, demanded `%s`: ended with %s and not %s:\n%s\n' "$without" "$demanded" "$ended" "$code" "$said" >&2
    exit 1
  fi
  for part in "$@"; do
    if [[ $part == -* && $said == *"${part#-}"* ]] || [[ $part != -* && $said != *"$part"* ]]; then
      printf 'skips: without `%s`, demanded `%s`: `%s` is wrong of:\n%s\n' "$without" "$demanded" "$part" "$said" >&2
      exit 1
    fi
  done
  printf 'skips  without `%s`, demanded `%s`: ends with %s\n' "$without" "$demanded" "$code"
}

check "" "bq node" 0 "clients: python sqlalchemy pandas-gbq dbt bq node" -SKIPPED
check bq "" 0 '*** SKIPPED: bq: `bq` is not installed ***' "clients: python sqlalchemy pandas-gbq dbt node"
check npm "" 0 '*** SKIPPED: node: `npm` is not installed ***' "clients: python sqlalchemy pandas-gbq dbt bq"
check "bq node" "" 0 '*** SKIPPED: bq: ' '*** SKIPPED: node: `node` is not installed ***' -' dbt bq' -' dbt node'
check bq "bq node" 1 '*** SKIPPED: bq: ' 'SLUICE_CLIENTS_DEMANDED names `bq`, so this run fails' -clients:
check node "bq node" 1 '*** SKIPPED: node: ' 'SLUICE_CLIENTS_DEMANDED names `node`, so this run fails' -clients:
check bq node 0 '*** SKIPPED: bq: ' -'run fails'
