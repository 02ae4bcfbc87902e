#!/usr/bin/env bash
# Brings what the tests need and the machine lacks: Node packages, Python packages, and PostgreSQL 15 where apt can install it.
set -euo pipefail
cd "$(dirname "$0")/.."

for folder in tests/npm contracts; do
  if [ ! -d "$folder/node_modules" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules" ]; then
    echo "installing the Node packages of $folder" >&2
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error && touch node_modules) >&2
  fi
done

if [ ! -x tests/python/.venv/bin/schemathesis ] || [ tests/python/requirements.txt -nt tests/python/.venv ]; then
  echo "installing the Python packages of tests/python" >&2
  # On Debian, venv is a package of its own: python3-venv.
  { python3 -m venv --clear tests/python/.venv && tests/python/.venv/bin/pip install -q -r tests/python/requirements.txt && touch tests/python/.venv; } >&2
fi

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && [ -z "${PHOTINUS_TEST_POSTGRES:-}" ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing PostgreSQL" >&2
    export DEBIAN_FRONTEND=noninteractive
    # The packaged cluster is not used: tests start their own, in a folder of their own.
    mkdir -p /etc/postgresql-common && { [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; }
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-15; } >&2
  else
    echo "PostgreSQL is missing: install it (Debian: apt-get install postgresql-15), or set PHOTINUS_TEST_POSTGRES to the URL of a server that tests may use" >&2
    exit 1
  fi
fi
