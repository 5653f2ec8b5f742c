#!/usr/bin/env bash
# Installs what the checks need beyond the Rust toolchains; does nothing for what is at hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

CARGO_DENY=0.20.2
CARGO_FUZZ=0.13.2
# Has to be what the counted cases are built with.
GUNGRAUN=$(sed -n 's/^gungraun = { version = "=\([0-9.]*\)".*/\1/p' tests/instructions/Cargo.toml)

# PROGRAM PACKAGE: what comes from Debian: the interop suite's clients above all.
programs() {
    cat <<'LIST'
curl curl
openssl openssl
lftp lftp
ncftpput ncftp
ncftpget ncftp
ncftpls ncftp
tnftp tnftp
inetutils-ftp inetutils-ftp
haproxy haproxy
wget wget
python3 python3
c++ g++
shellcheck shellcheck
patch patch
git git
valgrind valgrind
useradd passwd
setpriv util-linux
LIST
}

install_packages() {
    local program package missing=()
    while read -r program package; do
        have "$program" || missing+=("$package")
    done < <(programs)
    if [ ${#missing[@]} -eq 0 ]; then
        echo "Debian programs: all at hand"
        return
    fi
    echo "Debian packages to install: ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# Built for the short build, not for the speed of the tool: it runs for seconds.
install_cargo_tool() {
    local tool=$1 version=$2
    if "$tool" "${tool#cargo-}" --version 2>/dev/null | grep -qF "$version" ||
        "$tool" --version 2>/dev/null | grep -qF "$version"; then
        echo "$tool $version: at hand"
        return
    fi
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
        cargo install --locked --force --version "$version" "$tool"
}

install_packages
install_cargo_tool cargo-deny "$CARGO_DENY"
install_cargo_tool cargo-fuzz "$CARGO_FUZZ"
install_cargo_tool gungraun-runner "$GUNGRAUN"
