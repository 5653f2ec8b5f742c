#!/usr/bin/env bash
# Proves that the pure crates are pure: no dependency but each other, no std, no libc, no system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

PURE=(ftp-types ftp-proto)
HOST=$(rustc -vV | sed -n 's/^host: //p')
WORK=${CARGO_TARGET_DIR:-target}/purity
mkdir -p "$WORK"
WORK=$(cd "$WORK" && pwd)

# Every edge counts, dev-dependencies too: `cargo tree -p ftp-proto` shows ftp-types alone.
check_tree() {
    local crate=$1 expected=$2 found
    found=$(cargo tree -p "$crate" --all-features --locked --prefix none --format '{lib}' |
        tr _ - | sort -u | xargs)
    if [ "$found" != "$expected" ]; then
        echo "error: $crate depends on more than it may: found '$found', allowed '$expected'" >&2
        return 1
    fi
    echo "cargo tree -p $crate: $found"
}

# Lines of the file outside its `#[cfg(test)] mod .. { .. }`, as FILE:LINE:TEXT.
outside_tests() {
    awk '
        in_tests { if ($0 == "}") in_tests = 0; next }
        after_cfg && /\{[ \t]*$/ { in_tests = 1; after_cfg = 0; next }
        { after_cfg = ($0 ~ /^#\[cfg\(test\)\]/); print FILENAME ":" FNR ":" $0 }
    ' "$1"
}

check_sources() {
    local crate=$1 file found
    found=$(find "$crate/src" -name '*.rs' ! -name tests.rs ! -path '*/tests/*' | sort |
        while read -r file; do outside_tests "$file"; done |
        grep -E '\bstd::|extern crate std\b' || true)
    if [ -n "$found" ]; then
        printf 'error: std in %s:\n%s\n' "$crate" "$found" >&2
        return 1
    fi
    echo "no std:: in $crate/src"
}

# A sysroot that holds core and alloc and no std at all: whoever asks for std does not compile.
make_sysroot() {
    local from to
    from=$(rustc --print sysroot)/lib/rustlib/$HOST/lib
    to=$WORK/sysroot/lib/rustlib/$HOST/lib
    rm -rf "$WORK/sysroot"
    mkdir -p "$to"
    ln -s "$from"/lib{core,alloc,compiler_builtins}-* "$to"
}

build_without_std() {
    make_sysroot
    local crate packages=()
    for crate in "${PURE[@]}"; do packages+=(-p "$crate"); done
    RUSTFLAGS="--sysroot=$WORK/sysroot -Cpanic=abort -Crelocation-model=static" \
        cargo build "${packages[@]}" --all-features --locked --target "$HOST" --target-dir "$WORK/target"
    echo "built without std: ${PURE[*]}"
}

# Does a sysroot without std really refuse it? A check that cannot fail proves nothing.
sysroot_refuses_std() {
    if echo 'extern crate std; fn main() {}' |
        rustc --sysroot="$WORK/sysroot" --crate-type=lib --crate-name probe -o "$WORK/probe.rlib" - 2>/dev/null; then
        echo "error: the sysroot without std still has std" >&2
        return 1
    fi
}

# A program without start files, libc or std that talks to the core, linked, then run.
run_bare_program() {
    local flags="-Cpanic=abort -Crelocation-model=static -Clink-arg=-nostdlib -Clink-arg=-static"
    # The shipped alloc is compiled to unwind; a program that aborts never gets there.
    flags+=" -Clink-arg=-Wl,--defsym=rust_eh_personality=0,--defsym=_Unwind_Resume=0"
    RUSTFLAGS=$flags cargo build --release --target "$HOST" --target-dir "$WORK/bare" \
        --manifest-path ci/purity/Cargo.toml
    "$WORK/bare/$HOST/release/purity"
    echo "a program without std, libc and start files ran a login over the core"
}

check_tree ftp-types "ftp-types"
check_tree ftp-proto "ftp-proto ftp-types"
for crate in "${PURE[@]}"; do check_sources "$crate"; done
build_without_std
sysroot_refuses_std
run_bare_program
