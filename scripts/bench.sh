#!/usr/bin/env bash
# Tandem beside its bars and its peers. TANDEM_BENCH_BIN measures another binary; the examples
# `load` and `provider` are taken from the folder examples/ beside it.
# Arguments go to bench/run.py, for example: scripts/bench.sh --parts search start
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${TANDEM_BENCH_BIN:-} ]]; then
    cargo build --release --locked -p app --bin tandem --example load --example provider
fi
exec python3 bench/run.py "$@"
