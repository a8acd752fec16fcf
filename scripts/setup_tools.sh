# shellcheck shell=bash
# Sourced by setup.sh: which tools are missing, all at once, each with its install line.

# check_tools build|fetch: exits 1 with the list when any is missing.
check_tools() {
    local purpose=$1
    local missing=()

    if ! command -v cargo >/dev/null || ! is_rust_new_enough; then missing+=(rust); fi
    if ! command -v cc >/dev/null && ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then missing+=(cc); fi
    if ! command -v make >/dev/null; then missing+=(make); fi
    if ! command -v python3 >/dev/null; then
        missing+=(python pip)
    elif [[ $purpose == fetch ]] && ! find_pip; then
        missing+=(pip)
    fi
    if ((${#missing[@]} == 0)); then return 0; fi

    local tool
    printf 'setup: these tools are missing:\n' >&2
    for tool in "${missing[@]}"; do install_line "$tool" >&2; done
    exit 1
}

# rustup fetches the toolchain of rust-toolchain.toml by itself; without it the
# installed compiler must be new enough.
is_rust_new_enough() {
    if command -v rustup >/dev/null; then return 0; fi
    local wanted installed
    wanted=$(sed -n 's/^channel *= *"\([0-9]*\.[0-9]*\).*/\1/p' "$root/rust-toolchain.toml")
    installed=$(cargo --version | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')
    ((10#${installed%%.*} * 1000 + 10#${installed##*.} >= 10#${wanted%%.*} * 1000 + 10#${wanted##*.}))
}

# Sets the array pip to the command that works.
find_pip() {
    if python3 -m pip --version >/dev/null 2>&1; then
        pip=(python3 -m pip)
    elif command -v pip3 >/dev/null; then
        pip=(pip3)
    elif command -v pip >/dev/null; then
        pip=(pip)
    else
        return 1
    fi
}

install_line() {
    case $1 in
    rust) tool_lines "Rust (the version in rust-toolchain.toml, by rustup)" \
        "sudo apt-get install rustup   (older releases: the installer on the Rust home page)" "brew install rustup && rustup-init" ;;
    cc) tool_lines "a C compiler" "sudo apt-get install build-essential" "xcode-select --install" ;;
    make) tool_lines "make" "sudo apt-get install make" "xcode-select --install" ;;
    python) tool_lines "Python 3" "sudo apt-get install python3" "brew install python3" ;;
    pip) tool_lines "pip for Python 3" "sudo apt-get install python3-pip" "brew install python3" ;;
    esac
}

tool_lines() {
    printf '  %s\n    Debian, Ubuntu: %s\n    macOS:          %s\n' "$1" "$2" "$3"
}
