#!/usr/bin/env bash
# Builds every example, lets it try itself out, then starts it and lets curl list and fetch from it.
#
# An example without arguments serves on a free port, is tried out by a client of its own, and ends with
# status 0. With the address to listen on as its first argument it serves there until SIGTERM. Either way
# it prints `listening on URL` once it accepts, where URL is one that curl can list (with a user and
# password in it if it wants them), and serves the current directory if it serves files of the disk at
# all. One that prints no such line has no sockets, and that it ended well is all there is to check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

PACKAGE=ferry-examples
WORK=$(mktemp -d)
server=

clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$WORK"
}
trap clean_up EXIT

# PROGRAM FILE of each program that cargo builds for the package.
build() {
    cargo build -p "$PACKAGE" --bins --examples --locked --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"):
        print(message["target"]["name"], message["executable"])
'
}

# The URL of the ready line, waited for at most half a minute.
ready_url() {
    timeout 30 grep -m1 -oP '(?<=^listening on )\S+' <&"$1"
}

run_example() {
    local name=$1 program=$2 url listing
    mkdir "$WORK/$name"
    head -c 100000 /dev/urandom >"$WORK/$name/file.bin"
    (cd "$WORK/$name" && timeout 60 "$program") >"$WORK/output" || {
        echo "error: $name does not work:" >&2
        cat "$WORK/output" >&2
        return 1
    }
    if ! grep -q '^listening on ' "$WORK/output"; then
        echo "example $name: ended well"
        return
    fi
    coproc SERVER { cd "$WORK/$name" && exec "$program" 127.0.0.1:0; }
    server=$SERVER_PID
    url=$(ready_url "${SERVER[0]}") || { echo "error: $name printed no ready line" >&2; return 1; }
    listing=$(curl -sS --max-time 30 --list-only "$url/") || { echo "error: $name: no listing" >&2; return 1; }
    if grep -q '^file\.bin' <<<"$listing"; then
        curl -sS --max-time 30 -o "$WORK/copy" "$url/file.bin"
        cmp "$WORK/copy" "$WORK/$name/file.bin"
    fi
    kill "$server"
    wait "$server" || true
    server=
    echo "example $name: listed $(wc -w <<<"$listing") names"
}

build | sort >"$WORK/programs"
[ -s "$WORK/programs" ] || { echo "error: no examples" >&2; exit 1; }
while read -r name program <&3; do
    run_example "$name" "$program"
done 3<"$WORK/programs"
echo "examples: $(wc -l <"$WORK/programs") ran"
