#!/usr/bin/env bash
# Builds everything for Windows, runs the tests of the core and of storage under Wine, and lets curl try
# the program there, on both runtimes.
#
# The standard library for the target comes from, in this order:
#   rustup   the toolchain in use, if it has the target or rustup can add it;
#   debian   Debian's packages rustc-web, rust-web-src and libstd-rust-web-dev, unpacked beside the build
#            and not installed (they would replace another rustc): cargo builds the library from source.
# `ci/windows.sh debian` takes that one and no other. Whatever is missing at the end is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

TARGET=x86_64-pc-windows-gnu
COMPILER=x86_64-w64-mingw32-gcc
WINE=/usr/lib/wine/wine64
WORK=$(mktemp -d)
BUILD=${CARGO_TARGET_DIR:-target}
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
BUILD_STD=()
server=

export WINEPREFIX=$WORK/wine WINEDEBUG=-all
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$WINE
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0

clean_up() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    [ ! -d "$WINEPREFIX" ] || "${WINE%/*}/wineserver" -k 2>/dev/null || true
    rm -rf "$WORK"
}
trap clean_up EXIT

fail() {
    echo "error: $*" >&2
    exit 1
}

install_programs() {
    local missing=()
    have "$COMPILER" || missing+=(gcc-mingw-w64-x86-64-posix)
    [ -x "$WINE" ] || missing+=(wine64)
    have curl || missing+=(curl)
    if [ ${#missing[@]} -gt 0 ]; then
        have apt-get || fail "not at hand: ${missing[*]}; this script can install them on Debian alone"
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-remove --no-install-recommends "${missing[@]}"
    fi
}

toolchain_has_target() {
    compgen -G "$(rustc --print target-libdir --target "$TARGET")/libstd-*.rlib" >/dev/null
}

rustup_toolchain() {
    toolchain_has_target && return
    have rustup || return 1
    timeout 120 rustup target add "$TARGET" && toolchain_has_target
}

# A directory with the packages' files and a `rustc` that starts the one among them.
debian_toolchain() {
    local root=$BUILD/debian-rust package
    have apt-get || { echo "this system has no Debian packages" >&2; return 1; }
    if [ ! -x "$root/rustc" ]; then
        rm -rf "$root"
        mkdir -p "$root/packages/partial"
        apt-get update -q
        apt-get install -y -q --download-only --reinstall --no-install-recommends \
            -o APT::Sandbox::User=root -o Dir::Cache::archives="$root/packages" \
            rustc-web rust-web-src libstd-rust-web-dev || return 1
        for package in "$root"/packages/*.deb; do
            dpkg -x "$package" "$root"
        done
        rm -r "$root/packages"
        cat >"$root/rustc" <<SH
#!/bin/sh
LD_LIBRARY_PATH='$root/usr/lib/x86_64-linux-gnu' exec '$root/usr/bin/rustc' "\$@"
SH
        chmod +x "$root/rustc"
    fi
    export RUSTC=$root/rustc RUSTC_BOOTSTRAP=1
    BUILD_STD=('-Zbuild-std=std,panic_abort')
}

choose_toolchain() {
    case ${1:-any} in
    any) rustup_toolchain || debian_toolchain || fail "no standard library for $TARGET, from rustup or from Debian" ;;
    rustup) rustup_toolchain || fail "the Rust toolchain has no standard library for $TARGET" ;;
    debian) debian_toolchain || fail "Debian's packages do not give a standard library for $TARGET" ;;
    *) fail "usage: ci/windows.sh [rustup | debian]" ;;
    esac
    echo "toolchain: $("${RUSTC:-rustc}" -V) ${BUILD_STD[*]}"
}

run_cargo() {
    cargo "$@" "${BUILD_STD[@]}" --locked --target "$TARGET"
}

prepare_wine() {
    timeout 120 "$WINE" wineboot --init >/dev/null 2>&1 || fail "Wine does not start"
    local system=$WINEPREFIX/drive_c/windows/system32
    [ -e "$system/bcryptprimitives.dll" ] ||
        "$COMPILER" -O2 -Wall -Wextra -Werror -shared -o "$system/bcryptprimitives.dll" \
            ci/windows/bcryptprimitives.c -ladvapi32
}

client() {
    curl -sS --max-time 60 "$@"
}

expect() {
    local expected=$1 found=$2 what=$3
    [ "$found" = "$expected" ] || fail "$what: expected '$expected', found '$found'"
}

# Nothing may be made by a name that Windows gives another meaning: a device, a stream, a path, a name
# that it would cut. `%` forms are those of URLs.
refuses_names() {
    local url=$1 name status
    for name in CON nul.txt COM1 'a%3Ab' 'a%5Cb' '..%5Cout' 'C%3A%5Cout' 'dot.' 'space%20' 'con%20.txt' 'a%2A'; do
        status=0
        client -T "$WORK/file" "$url/$name" 2>"$WORK/refusal" || status=$?
        expect 25 "$status" "upload to $name"
        grep -q 553 "$WORK/refusal" || fail "upload to $name: $(cat "$WORK/refusal")"
    done
}

try_runtime() {
    local runtime=$1 home=$WORK/share-$1 url
    mkdir "$home"
    coproc SERVER {
        cd "$home" && exec "$WINE" "$BUILD/$TARGET/debug/ferry.exe" -w -i 127.0.0.1 -p 0 --tls --runtime "$runtime" \
            2>"$WORK/log"
    }
    server=$SERVER_PID
    url=$(timeout 60 grep -m1 -oP '(?<=^listening on )[^\s]+' <&"${SERVER[0]}") ||
        { cat "$WORK/log" >&2; fail "$runtime: no ready line"; }

    client -T "$WORK/file" "$url/sent"
    cmp "$WORK/file" "$home/sent"
    client -o "$WORK/back" "$url/sent"
    cmp "$WORK/file" "$WORK/back"
    client -C 1048576 -o - "$url/sent" | cmp - <(tail -c +1048577 "$WORK/file")
    client --ssl-reqd -k -T "$WORK/file" "$url/sent"
    client --ssl-reqd -k -o "$WORK/back" "$url/sent"
    cmp "$WORK/file" "$WORK/back"

    expect sent "$(client --list-only "$url/" | tr -d '\r')" "$runtime: the names"
    client "$url/" | grep -q " $SIZE .* sent" || fail "$runtime: no line for the file in LIST"
    client -X MLSD "$url/" | grep -qi "type=file;.*size=$SIZE;.* sent" || fail "$runtime: no fact line for the file"
    client -Q 'RNFR sent' -Q 'RNTO moved to here' -Q 'MKD directory' -o /dev/null "$url/"
    cmp "$WORK/file" "$home/moved to here"
    expect directory "$(client -Q 'DELE moved to here' --list-only "$url/" | tr -d '\r')" "$runtime: after DELE"
    refuses_names "$url"
    client -Q 'RMD directory' -o /dev/null "$url/"
    expect "" "$(ls -A "$home")" "$runtime: what is left"

    # Wine makes Ctrl-C of it.
    kill -INT "$server"
    local status=0
    wait "$server" || status=$?
    expect 0 "$status" "$runtime: exit status after Ctrl-C"
    server=
    echo "$runtime: served curl, in clear and under TLS, and ended at Ctrl-C"
}

ferry() {
    "$WINE" "$BUILD/$TARGET/debug/ferry.exe" "$@"
}

# What Wine has of accounts: their names, but no passwords. It says that every logon is good and gives
# nothing to act as the account with, which must let nobody in.
try_accounts() {
    local me status=0 url problem
    me=$(id -un)
    cat >"$WORK/site.toml" <<TOML
[server]
listen = ["127.0.0.1:0"]
[session]
failed_login_delay = 0
[system_users]
allowed = ['$me']
[[system_users.user]]
name = '$me'
perm = "elr"
TOML
    ferry check-config "$WORK/site.toml"
    sed -e "s/^allowed .*/allowed = ['no such account']\nfilesystem = 'unix'\npam_service = 'ferry'/" \
        "$WORK/site.toml" >"$WORK/wrong.toml"
    ferry check-config "$WORK/wrong.toml" >"$WORK/problems" 2>&1 || status=$?
    expect 2 "$status" "exit status of check-config"
    for problem in 'no user "no such account"' 'no common root' 'no PAM on Windows'; do
        grep -qF "$problem" "$WORK/problems" || fail "not reported: $problem; but: $(cat "$WORK/problems")"
    done

    coproc SERVER { exec "$WINE" "$BUILD/$TARGET/debug/ferry.exe" --config "$WORK/site.toml" 2>"$WORK/log"; }
    server=$SERVER_PID
    url=$(timeout 60 grep -m1 -oP '(?<=^listening on )[^\s]+' <&"${SERVER[0]}") ||
        { cat "$WORK/log" >&2; fail "accounts: no ready line"; }
    status=0
    client -u "$me:any password" "$url/" 2>"$WORK/refusal" || status=$?
    expect 67 "$status" "login without a token"
    kill -INT "$server"
    wait "$server"
    server=
    echo "accounts: found, judged, and nobody let in without a token"
}

# The example about accounts: it serves, and lets nobody in either.
try_example() {
    local status=0 url
    coproc SERVER { exec "$WINE" "$BUILD/$TARGET/debug/examples/windows_users.exe" 127.0.0.1:0 2>"$WORK/log"; }
    server=$SERVER_PID
    url=$(timeout 60 grep -m1 -oP '(?<=^listening on )[^\s]+' <&"${SERVER[0]}") ||
        { cat "$WORK/log" >&2; fail "example: no ready line"; }
    client -u "$(id -un):any password" "$url/" 2>"$WORK/refusal" || status=$?
    expect 67 "$status" "login without a token"
    kill -KILL "$server"
    wait "$server" || true
    server=
    echo "example: served, and let nobody in without a token"
}

install_programs
choose_toolchain "$@"
heading "everything builds for $TARGET"
run_cargo check --workspace --all-targets
heading "tests under Wine"
prepare_wine
run_cargo test -p ftp-types -p ftp-proto -p ftp-fs --lib --tests
heading "ferry.exe under Wine"
run_cargo build -p ferry
run_cargo build -p ferry-examples --example windows_users
head -c 20971520 /dev/urandom >"$WORK/file"
SIZE=20971520
try_runtime tokio
try_runtime smol
try_accounts
try_example
echo "windows: all passed in $SECONDS s"
