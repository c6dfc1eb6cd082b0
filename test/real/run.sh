#!/usr/bin/env bash
# The proxy in front of a real origin and under real clients: nginx, curl, wget and npm. Writes docs/real-input.md.
# Takes some minutes and about 10 GiB of the temporary directory. Needs Debian or Ubuntu, and root only to install packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

missing=()
for command in nginx curl wget; do
  command -v "$command" >/dev/null || [ -x "/usr/sbin/$command" ] || missing+=("${command/#nginx/nginx-light}")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

exec node test/real/run.ts "$@"
