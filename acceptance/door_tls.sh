#!/usr/bin/env bash
# Through the gateway by the universe domain, over TLS at port 443, as Google's libraries come without a line of code. usage: door_tls.sh PROGRAM PYTHON STORAGE
# PYTHON has all libraries but that of the Storage API, which lies in the folder STORAGE: where it is installed, some use it unasked.
#
# In a network of its own: nothing but this machine is to be reached, and Google's names lead to a listener that writes down who comes. Each client gets
# what `sluice client-config` prints, and nothing else.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [[ $1 != --inside ]]; then
  probe='mount --bind /etc/hosts /etc/hosts'
  for way in "unshare --mount --net" "unshare --map-root-user --mount --net"; do
    if $way bash -c "$probe" 2>/dev/null; then exec $way "$0" --inside "$@"; fi
  done
  printf '\n*** SKIPPED: this machine permits no network of its own, so nobody came over TLS by the universe domain ***\n\n' >&2
  exit 0
fi

program=$2
python=$3
storage=$4
scratch=$(mktemp -d)
servers=()
stop() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
  # They write until they have ended.
  wait || true
  rm -rf "$scratch"
}
trap stop EXIT

domain=sluice.test
# Not the metadata server of the machine, whom gcloud always asks whether it is one of Google's; it shows it no token.
google=(bigquery bigquerystorage cloudresourcemanager iamcredentials oauth2 storage sts www)
{
  printf '127.0.0.1 localhost bigquery.%s bigquerystorage.%s\n127.0.0.2' "$domain" "$domain"
  printf ' %s.googleapis.com' "${google[@]}"
  printf ' accounts.google.com\n'
} >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts
# The loopback of a new network is down, and not every machine has `ip`.
python3 - <<'SCRIPT'
import fcntl, socket, struct
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", UP_AND_RUNNING, b""))
SCRIPT

python3 - "$scratch/dialled" <<'SCRIPT' &
import socket, sys, threading
def listen(port):
    server = socket.create_server(("127.0.0.2", port))
    while True:
        connection, _ = server.accept()
        connection.settimeout(5)
        try:
            said = connection.recv(2000)
        except OSError:
            said = b""
        with open(sys.argv[1], "a") as file:
            print(port, said, file=file)
        connection.close()
for port in (80, 443):
    threading.Thread(target=listen, args=(port,)).start()
SCRIPT
servers+=($!)

# started FILE: waits until the server that was started last has written it.
started() {
  for _ in $(seq 600); do
    if [[ -s $1 ]]; then return; fi
    kill -0 "${servers[-1]}"
    sleep 0.1
  done
  return 1
}

demo=$scratch/demo
"$program" demo --dir "$demo" --no-tour --tls-port 443 >"$scratch/demo.log" 2>&1 &
servers+=($!)
started "$demo/demo.json"

"$program" credentials issue --config "$demo" --name nightly --project acme-prod --group staff --expires "$(date -u -d '+1 month' +%F)" \
  --universe-domain "$domain" --by ada --reason "the tour" --out "$demo/callers/issued.universe.json" >/dev/null

# as CALLER CLIENT COMMAND...: with what that client is told to set, and nothing else that leads it anywhere.
as() {
  local caller=$1 client=$2
  shift 2
  (
    unset BIGQUERY_EMULATOR_HOST GATEWAY GOOGLE_APPLICATION_CREDENTIALS
    eval "$("$program" client-config --for "$client" --gateway "https://bigquery.$domain" --universe-domain "$domain" \
      --project acme-prod --credentials "$demo/callers/$caller.universe.json" --ca "$demo/tls/ca.pem")"
    "$@"
  )
}

through_bq() {
  export CLOUDSDK_CONFIG="$scratch/gcloud" CLOUDSDK_CORE_DISABLE_PROMPTS=1
  bq --quiet query --format=json --use_legacy_sql=false 'SELECT COUNT(*) AS n FROM clinic.patients' | grep -qF '"n":"40"'
  printf 'tls, bq  a query is answered\n'
  if bq --quiet query --use_legacy_sql=false 'SELECT MAX(ssn) AS m FROM clinic.patients' >"$scratch/bq.txt"; then return 1; fi
  tr -s ' \n' ' ' <"$scratch/bq.txt" | grep -qF 'Access Denied'
  printf 'tls, bq  a refusal is shown\n'
}

through_dbt() {
  cp -r "$here/dbt" "$scratch/dbt"
  cd "$scratch/dbt"
  for command in debug run; do
    "$(dirname "$python")/dbt" --no-use-colors --quiet "$command" --profiles-dir . --target domain
    printf 'tls, dbt  %s\n' "$command"
  done
}

names=()
clients=()
# tour NAME COMMAND...: beside the others; what it said is shown when all have ended.
tour() {
  names+=("$1")
  "${@:2}" >"$scratch/$1.log" 2>&1 &
  clients+=($!)
}

tour python as report-job python env PYTHONPATH="$storage" "$python" -W ignore "$here/door_tls.py" python "$demo" "$program"
tour load as etl-nightly python "$python" -W ignore "$here/door_tls.py" load "$demo" "$program"
tour issued as issued python "$python" -W ignore "$here/door_tls.py" issued "$demo" "$program"
tour sqlalchemy as report-job sqlalchemy "$python" -W ignore "$here/door_tls.py" sqlalchemy "$demo" "$program"
tour pandas-gbq as report-job pandas-gbq "$python" -W ignore "$here/door_tls.py" pandas_gbq "$demo" "$program"
tour dbt as etl-nightly dbt through_dbt
if command -v bq >/dev/null; then
  tour bq as report-job bq through_bq
else
  printf '\n*** SKIPPED: bq is not installed, so it did not come over TLS ***\n\n' >&2
fi

failed=
for number in "${!clients[@]}"; do
  if ! wait "${clients[number]}"; then failed+=" ${names[number]}"; fi
done
for name in "${names[@]}"; do cat "$scratch/$name.log"; done
if [[ -n $failed ]]; then
  printf 'over TLS, by the universe domain:%s failed\n' "$failed" >&2
  cat "$scratch/demo.log" >&2
  exit 1
fi
if [[ -e $scratch/dialled ]]; then
  printf 'somebody dialled Google:\n' >&2
  cat "$scratch/dialled" >&2
  exit 1
fi
# The listener does write down who comes.
python3 -c 'import socket; socket.create_connection(("bigquerystorage.googleapis.com", 443)).close()'
started "$scratch/dialled"
printf 'tls  nobody dialled Google\n'
