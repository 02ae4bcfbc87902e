#!/usr/bin/env bash
# Brings what the tests need and the machine lacks: Node packages, Python packages, and PostgreSQL 15 where apt can install it.
set -euo pipefail
cd "$(dirname "$0")/.."

# Packages of Debian, where that is what this is and one may install.
apt() {
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
  echo "installing $*" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >&2
}

for folder in tests/npm contracts; do
  if [ ! -d "$folder/node_modules" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules" ]; then
    echo "installing the Node packages of $folder" >&2
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error && touch node_modules) >&2
  fi
done

if [ ! -x tests/python/.venv/bin/schemathesis ] || [ tests/python/requirements.txt -nt tests/python/.venv ]; then
  echo "installing the Python packages of tests/python" >&2
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null && ! apt python3-venv; then
    echo "Python 3 with venv is missing: install it (Debian: apt-get install python3-venv)" >&2
    exit 1
  fi
  { python3 -m venv --clear tests/python/.venv && tests/python/.venv/bin/pip install -q -r tests/python/requirements.txt && touch tests/python/.venv; } >&2
fi

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && [ -z "${PHOTINUS_TEST_POSTGRES:-}" ]; then
  # The packaged cluster is not used: tests start their own, in a folder of their own.
  settings=/etc/postgresql-common/createcluster.conf
  if [ "$(id -u)" = 0 ] && [ ! -e "$settings" ]; then
    mkdir -p "${settings%/*}" && echo 'create_main_cluster = false' >"$settings"
  fi
  if ! apt postgresql-15; then
    echo "PostgreSQL is missing: install it (Debian: apt-get install postgresql-15), or set PHOTINUS_TEST_POSTGRES to the URL of a server that tests may use" >&2
    exit 1
  fi
fi
