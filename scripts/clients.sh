#!/usr/bin/env bash
# Installs the pinned Python clients that tests run against the program, into
# .cache/clients/python; prints the interpreter. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${TANDEM_CACHE_DIR:-$PWD/.cache}/clients/python"
pins=app/tests/clients/python/requirements.txt
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
if ! cmp -s "$pins" "$cache/.installed"; then
    python3 -m venv "$cache/venv" >&2
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$pins" >&2
    cp "$pins" "$cache/.installed"
fi
echo "$cache/venv/bin/python"
