#!/usr/bin/env bash
# Builds and starts Tandem on loopback with the embedded Postgres and the demo.
# Inherited database URLs are ignored: this is the run that needs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked -p app

exec env -u DATABASE_URL -u AI_DATABASE_URL -u DATABASE_URL_FILE -u AI_DATABASE_URL_FILE \
    TANDEM_CACHE_DIR="${TANDEM_CACHE_DIR:-$PWD/.cache}" \
    "${CARGO_TARGET_DIR:-$PWD/target}/release/tandem" serve --demo
