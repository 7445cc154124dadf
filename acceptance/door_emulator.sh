#!/usr/bin/env bash
# The gateway in front of bqemulator, a warehouse that others have written. usage: door_emulator.sh PROGRAM PYTHON
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$1
python=$2
# The database in it finds no extensions for other versions.
packages=(bqemulator==1.4.0 duckdb==1.5.5 duckdb-extension-spatial==1.5.5 numpy pytz)
if ! emulator=$("$here/python.sh" "${packages[@]}"); then
  printf '\n*** SKIPPED: bqemulator cannot be installed, so the gateway did not stand in front of it ***\n\n' >&2
  exit 0
fi

scratch=$(mktemp -d)
servers=()
stop() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
  # They write until they have ended.
  wait || true
  rm -rf "$scratch"
}
trap stop EXIT

free_port() { python3 -c 'import socket; server = socket.create_server(("127.0.0.1", 0)); print(server.getsockname()[1])'; }

# waits COMMAND...: until it succeeds, as long as the server that was started last runs.
waits() {
  for _ in $(seq 600); do
    if "$@" 2>/dev/null; then return; fi
    kill -0 "${servers[-1]}"
    sleep 0.1
  done
  return 1
}

port=$(free_port)
mkdir "$scratch/emulator"
"$emulator" "$here/emulator.py" "$scratch/emulator" "$port" "$(free_port)" >"$scratch/emulator.log" 2>&1 &
servers+=($!)
if ! waits python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()' "$port"; then
  cat "$scratch/emulator.log" >&2
  exit 1
fi
"$program" demo --upstream "http://127.0.0.1:$port" --dir "$scratch/demo" --no-tour >"$scratch/demo.log" 2>&1 &
servers+=($!)
waits test -s "$scratch/demo/demo.json"
if ! "$python" "$here/door_emulator.py" "$scratch/demo" "http://127.0.0.1:$port"; then
  tail -n 50 "$scratch/emulator.log" "$scratch/demo.log" >&2
  exit 1
fi
