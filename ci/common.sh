# shellcheck shell=bash
# Helpers that the scripts of this folder share; sourced, never run.

# Cargo-installed tools are found even where the shell's profile was not read.
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

heading() {
    printf '\n==== %s ====\n' "$*"
}

# A warning that a reader of a long log cannot miss.
shout() {
    printf '\n!!!!\n'
    printf '!!!! %s\n' "$@"
    printf '!!!!\n\n'
}

have() {
    command -v "$1" >/dev/null 2>&1
}
