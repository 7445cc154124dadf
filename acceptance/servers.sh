# Sourced by whoever starts servers and clients: a scratch folder, servers that end with it, clients beside each other, and who takes part.
# Needs `here`; `led` needs `program`.

scratch=$(mktemp -d)
servers=()
names=()
tours=()
stop() {
  for server in "${servers[@]}" "${tours[@]}"; do kill "$server" 2>/dev/null || true; done
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

# beside NAME COMMAND...: while the rest goes on; what it said is shown by `joined`.
beside() {
  names+=("$1")
  "${@:2}" >"$scratch/$1.log" 2>&1 &
  tours+=($!)
}

# Waits for all that run beside, shows what each said, and fails if one did.
joined() {
  local number failed=()
  for number in "${!tours[@]}"; do
    if ! wait "${tours[number]}"; then failed+=("${names[number]}"); fi
    cat "$scratch/${names[number]}.log"
  done
  tours=()
  names=()
  if ((${#failed[@]} > 0)); then
    printf 'failed: %s\n' "${failed[*]}" >&2
    return 1
  fi
}

# missed NAME WHY: says loudly that it takes no part. Where SLUICE_CLIENTS_DEMANDED names it, that is a failure.
missed() {
  printf '\n*** SKIPPED: %s: %s ***\n\n' "$1" "$2" >&2
  if [[ " ${SLUICE_CLIENTS_DEMANDED:-} " == *" $1 "* ]]; then
    printf 'SLUICE_CLIENTS_DEMANDED names `%s`, so this run fails\n' "$1" >&2
    exit 1
  fi
}

# takes_part CLIENT: whether what it needs is installed.
takes_part() {
  local command
  case $1 in
    bq) set -- bq bq ;;
    node) set -- node node npm ;;
    *)
      printf 'no client `%s` that may be missing\n' "$1" >&2
      exit 70
      ;;
  esac
  for command in "${@:2}"; do
    if ! command -v "$command" >/dev/null; then
      missed "$1" "\`$command\` is not installed"
      return 1
    fi
  done
}

# led CLIENT URL CREDENTIALS COMMAND...: with what that client is told to set for a gateway there, and nothing else that leads it anywhere.
# `way` has more options.
way=()
led() {
  (
    unset BIGQUERY_EMULATOR_HOST GATEWAY GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_UNIVERSE_DOMAIN
    # Also where a caller tests how this ends, and the shell would go on.
    settings=$("$program" client-config --for "$1" --gateway "$2" --project acme-prod --credentials "$3" "${way[@]}") || exit 1
    eval "$settings"
    "${@:4}"
  )
}
