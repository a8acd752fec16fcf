#!/usr/bin/env bash
# Retrieval quality on the evaluation data (TANDEM_EVAL_DATA), through the HTTP API.
# Arguments go to bench/eval.py, for example: scripts/eval.sh --sets cranfield --queries 20
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${TANDEM_BENCH_BIN:-} ]]; then
    cargo build --release --locked -p app --bin tandem
fi
exec python3 bench/eval.py "$@"
