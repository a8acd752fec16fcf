#!/usr/bin/env bash
# Formatting, clippy with warnings denied, and what dependencies may come in.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
if command -v cargo-deny >/dev/null 2>&1; then
    cargo deny --log-level error check bans licenses sources
else
    echo "cargo-deny is not installed (cargo install cargo-deny --locked): licences and sources were not checked" >&2
fi
