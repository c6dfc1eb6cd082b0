#!/usr/bin/env bash
# npm run bench:setup: installs what `npm run bench` compares with and measures by, from the packages of Debian or Ubuntu,
# where it is missing. Without root, or without apt-get, it says what is missing; the bench leaves that out.
set -euo pipefail

# command:package
programs=(wrk:wrk nginx:nginx-light varnishd:varnish traffic_server:trafficserver haproxy:haproxy taskset:util-linux)

missing() {
  for program in "${programs[@]}"; do
    [ -n "$(PATH="$PATH:/usr/sbin:/sbin" command -v "${program%%:*}")" ] || echo "${program#*:}"
  done
}

install() {
  # The packages would start their daemons: a script of this name says that they must not (invoke-rc.d(8)).
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
  fi
  export DEBIAN_FRONTEND=noninteractive
  timeout 300 apt-get update -qq || true
  for package in "$@"; do
    timeout 600 apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
  done
  [ -z "$made" ] || rm -f "$policy"
}

mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "bench: installing ${packages[*]}"
  install "${packages[@]}"
  mapfile -t packages < <(missing)
fi
if [ ${#packages[@]} -eq 0 ]; then
  echo 'bench: everything is there'
else
  echo "bench: without ${packages[*]} (install by: sudo apt-get install ${packages[*]})"
fi
