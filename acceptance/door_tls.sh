#!/usr/bin/env bash
# Through the gateway by the universe domain, over TLS at port 443, as Google's libraries come without a line of code.
# usage: door_tls.sh PROGRAM PYTHON STORAGE ADBC
# PYTHON has all libraries but that of the Storage API, which lies in the folder STORAGE: where it is installed, some use it unasked. ADBC is a
# Python with that driver.
#
# In a network of its own: nothing but this machine is to be reached, and Google's names lead to a listener that writes down who comes. Each client gets
# what `sluice client-config` prints, and nothing else. What each asked is compared with the record.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [[ $1 != --inside ]]; then
  probe='mount --bind /etc/hosts /etc/hosts'
  for way in "unshare --mount --net" "unshare --map-root-user --mount --net"; do
    if $way bash -c "$probe" 2>/dev/null; then exec $way "$0" --inside "$@"; fi
  done
  . "$here/servers.sh"
  missed network "this machine permits none of its own, so nobody came over TLS by the universe domain"
  exit 0
fi

program=$2
python=$3
storage=$4
adbc=$5
. "$here/servers.sh"

domain=sluice.test
# Not the metadata server of the machine, whom gcloud always asks whether it is one of Google's; it shows it no token.
google=(bigquery cloudresourcemanager iamcredentials oauth2 storage sts www)
# led_names NAME...: of Google's, below googleapis.com, to the listener.
led_names() {
  printf '127.0.0.1 localhost bigquery.%s bigquerystorage.%s\n127.0.0.2' "$domain" "$domain"
  printf ' %s.googleapis.com' "$@"
  printf ' accounts.google.com\n'
}
led_names "${google[@]}" bigquerystorage >"$scratch/hosts"
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

demo=$scratch/demo
"$program" demo --dir "$demo" --no-tour --tls-port 443 >"$scratch/demo.log" 2>&1 &
servers+=($!)
waits test -s "$demo/demo.json"

issued=$demo/callers/issued.universe.json
"$program" credentials issue --config "$demo" --name nightly --project acme-prod --group staff --expires "$(date -u -d '+1 month' +%F)" \
  --universe-domain "$domain" --by ada --reason "the tour" --out "$issued" >/dev/null

way=(--universe-domain "$domain" --ca "$demo/tls/ca.pem")
url=https://bigquery.$domain
export WAY=tls
since=$(date +%s%3N)
asking=()
# tour CLIENT CREDENTIALS COMMAND...: beside the others, and what it asks is written down.
tour() {
  if [[ " ${asking[*]} " != *" $1 "* ]]; then asking+=("$1"); fi
  ASKED="$scratch/asked-$1" beside "$1-${#tours[@]}" led "$1" "$url" "$2" "${@:3}"
}
as() { printf '%s/callers/%s.universe.json' "$demo" "$1"; }

plainly=("$python" -W ignore)
tour python "$(as report-job)" env PYTHONPATH="$storage" "${plainly[@]}" "$here/door_tls.py" python report-job "$demo" "$program"
tour python "$(as etl-nightly)" env PYTHONPATH="$storage" "${plainly[@]}" "$here/door_tls.py" load etl-nightly "$demo" "$program"
tour python "$issued" "${plainly[@]}" "$here/door_tls.py" issued "$issued" "$demo" "$program"
tour sqlalchemy "$(as report-job)" "${plainly[@]}" "$here/libraries.py" sqlalchemy report-job
tour pandas-gbq "$(as etl-nightly)" "${plainly[@]}" "$here/libraries.py" pandas-gbq etl-nightly
tour dbt "$(as etl-nightly)" "$here/tour_dbt.sh" "$(dirname "$python")/dbt" etl-nightly debug run
if takes_part node; then
  tour node "$(as etl-nightly)" node "$here/tour_node.mjs" domain etl-nightly
  tour node "$(as report-job)" node "$here/tour_node_storage.mjs" report-job
fi
if takes_part bq; then tour bq "$(as report-job)" "$here/tour_bq.sh" domain; fi
if ! joined; then
  cat "$scratch/demo.log" >&2
  exit 1
fi

# ADBC dials Google's name for rows whatever is set. So, when nobody else is left, that name leads to the gateway, as docs/clients.md says; no other does.
{
  led_names "${google[@]}"
  printf '127.0.0.3 bigquerystorage.googleapis.com\n'
} >"$scratch/hosts"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=relay -addext subjectAltName=DNS:bigquerystorage.googleapis.com \
  -keyout "$scratch/relay.key" -out "$scratch/relay.pem" 2>/dev/null
cat "$demo/tls/ca.pem" "$scratch/relay.pem" >"$scratch/believed.pem"
python3 "$here/relay.py" 127.0.0.3 "$scratch/relay.pem" "$scratch/relay.key" "bigquerystorage.$domain" "$demo/tls/ca.pem" >"$scratch/relay" &
servers+=($!)
waits test -s "$scratch/relay"
# What is printed for it is all comments, until that name is led.
asking+=(adbc)
(
  said=$("$program" client-config --for adbc --gateway "$url" --project acme-prod --credentials "$(as report-job)" "${way[@]}") || exit 1
  settings=$(sed -n 's/^# export /export /p' <<<"$said")
  eval "$settings"
  SSL_CERT_FILE="$scratch/believed.pem" ASKED="$scratch/asked-adbc" "$adbc" -W ignore "$here/tour_adbc.py" report-job "$demo" "$program"
)

for client in "${asking[@]}"; do python3 "$here/record.py" "$demo" "$program" "$since" "$client=$scratch/asked-$client"; done
if [[ -e $scratch/dialled ]]; then
  printf 'somebody dialled Google:\n' >&2
  cat "$scratch/dialled" >&2
  exit 1
fi
# The listener does write down who comes.
python3 -c 'import socket; socket.create_connection(("bigquery.googleapis.com", 443)).close()'
waits test -s "$scratch/dialled"
printf 'tls  nobody dialled Google\n'
