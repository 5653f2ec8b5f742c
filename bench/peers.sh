#!/usr/bin/env bash
# Fetches the servers that Ferry is compared with into a directory; nothing is installed on the machine.
#
#     bench/peers.sh /tmp/peers           # vsftpd, ProFTPD and pure-ftpd of Debian, and pyftpdlib
#     bench/peers.sh /tmp/peers --unftp   # unFTP as well, which has to be compiled: some ten minutes
#
# The packages are unpacked, not installed, since they conflict with each other. What is there already is kept.
set -euo pipefail

PEERS=${1:?"usage: bench/peers.sh DIRECTORY [--unftp]"}
PYFTPDLIB=2.2.0
UNFTP=0.16.0
# What the three servers link with and a small installation lacks.
LIBRARIES=(libcap2 libhashkit2 libhiredis0.14 libmemcached11 libmemcachedutil2 libpcre2-posix3 libsodium23 libwrap0)

unpack() { # NAME PACKAGE..: into PEERS/NAME
    local name=$1
    shift
    if [ -d "$PEERS/$name" ]; then return; fi
    local work
    work=$(mktemp -d)
    # apt gives up root for downloads.
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$@")
    mkdir -p "$work/tree"
    for package in "$work"/*.deb; do dpkg -x "$package" "$work/tree"; done
    mv "$work/tree" "$PEERS/$name"
    rm -r "$work"
    echo "$name: $PEERS/$name"
}

mkdir -p "$PEERS"
unpack libraries "${LIBRARIES[@]}"
unpack vsftpd vsftpd
unpack proftpd proftpd-core proftpd-mod-crypto
unpack pure-ftpd pure-ftpd

if [ ! -x "$PEERS/pyftpdlib/bin/python" ]; then
    python3 -m venv "$PEERS/pyftpdlib"
    "$PEERS/pyftpdlib/bin/pip" install --quiet "pyftpdlib[ssl]==$PYFTPDLIB"
    echo "pyftpdlib: $PEERS/pyftpdlib"
fi

if [ "${2:-}" = --unftp ] && [ ! -x "$PEERS/unftp/bin/unftp" ]; then
    CARGO_TARGET_DIR=$PEERS/unftp-target cargo install --quiet --locked --no-default-features --root "$PEERS/unftp" "unftp@$UNFTP"
    echo "unftp: $PEERS/unftp"
fi
