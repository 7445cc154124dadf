#!/usr/bin/env bash
# Prints the Python of a virtual environment with exactly these packages, by default the official client. It is made once.
set -euo pipefail

packages=("$@")
if ((${#packages[@]} == 0)); then packages=(google-cloud-bigquery==3.47.0); fi
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/acceptance
environment=$cache/python-$(printf '%s ' "${packages[@]}" | sha256sum | cut -c 1-12)
if [[ ! -f $environment/.complete ]]; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
  touch "$environment/.complete"
fi
printf '%s' "$environment/bin/python"
