#!/usr/bin/env bash
# The whole suite. It starts a throw-away Postgres of its own; inherited
# database URLs are ignored, TEST_DATABASE_URL points it at another server.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of larger engines are skipped, and say so, where their Postgres cannot be had.
scripts/setup.sh engines || printf 'test: going on without the larger engines\n' >&2

exec env -u DATABASE_URL -u AI_DATABASE_URL -u DATABASE_URL_FILE -u AI_DATABASE_URL_FILE \
    TANDEM_CACHE_DIR="${TANDEM_CACHE_DIR:-$PWD/.cache}" \
    cargo test --workspace --locked "$@"
