#!/usr/bin/env bash
# Counts the instructions of the protocol core by callgrind, and compares them with tests/instructions/counts.tsv.
#
#   ci/instructions.sh            reports what changed by more than 3 %, and fails where it grew
#   ci/instructions.sh --update   writes the file: a change that costs something says so by that
#
# The counts are the same whatever else the machine does, but not with another compiler or C library: then all is
# reported, and nothing fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

COUNTS=tests/instructions/counts.tsv
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# What the counts depend on beside the code, in one line.
tools() {
    printf '%s, %s, %s, %s\n' "$(rustc --version)" "$(getconf GNU_LIBC_VERSION)" "$(valgrind --version)" "$(uname -m)"
}

compare() {
    python3 - "$results" "$COUNTS" "$(tools)" "${1:-}" <<'PY'
import json
import sys

results, path, tools, update = sys.argv[1:]
LIMIT = 3.0
MADE_WITH = "# Made with "
HEAD = """\
# Instructions of the protocol core, counted by callgrind: the case, of what, and how many for each of them.
# `just instructions` compares with this file, `just instructions --update` writes it.
"""


def count(benchmark):
    """The case, of what, and how many for each: of `entry_256` it is one entry of 256."""
    unit, _, number = benchmark["id"].rpartition("_")
    for profile in benchmark["profiles"]:
        if profile["tool"] == "Callgrind":
            metrics = profile["data"]["total"]["metrics"]
            values = metrics["Ir"]["values"]
            return benchmark["function_name"], unit, round(values["new"] / int(number))
    sys.exit(f"error: callgrind tells nothing of {benchmark['function_name']}")


def read(lines):
    rows = (line.split("\t") for line in lines if line.strip() and not line.startswith("#"))
    return {(case, unit): int(number) for case, unit, number in rows}


counted = [count(json.loads(line)) for line in open(results) if line.startswith("{")]
new = {(case, unit): number for case, unit, number in counted}
if not new:
    sys.exit("error: nothing was counted")
if update:
    rows = "".join(f"{case}\t{unit}\t{number}\n" for (case, unit), number in sorted(new.items()))
    open(path, "w").write(f"{HEAD}{MADE_WITH}{tools}\n{rows}")
    print(f"written: {path}")
    sys.exit()

lines = open(path).read().splitlines()
made_with = next((line.removeprefix(MADE_WITH) for line in lines if line.startswith(MADE_WITH)), "")
old = read(lines)
grown = []
print(f"{'case':14} {'of':9} {'before':>8} {'now':>8}")
for case, unit in sorted(old.keys() | new.keys()):
    before, now = old.get((case, unit)), new.get((case, unit))
    if before is None or now is None:
        what = "NEW: it is not in the file" if before is None else "GONE: it was not counted"
        grown.append(case)
    else:
        change = 100 * (now - before) / before
        what = f"{change:+.1f} %"
        if change > LIMIT:
            what += "  MORE"
            grown.append(case)
        elif change < -LIMIT:
            what += "  less: --update keeps it so"
    print(f"{case:14} {unit:9} {before or '-':>8} {now or '-':>8}  {what}")

if made_with != tools:
    print(f"\nThe file was made with other tools, so that nothing fails here.\n  file: {made_with}\n  here: {tools}")
elif grown:
    print(f"\nMore than {LIMIT:g} % above {path}: {', '.join(grown)}. If it has to be, `just instructions --update`, and say")
    print("in the commit what it is for.")
    sys.exit("error: the core takes more instructions than it did")
PY
}

case "${1:-}" in
'' | --update) ;;
*)
    echo "usage: ci/instructions.sh [--update]" >&2
    exit 2
    ;;
esac
have valgrind || {
    echo "error: valgrind is not at hand; ci/install.sh installs it" >&2
    exit 1
}
cargo bench --quiet --locked -p ferry-instructions --features callgrind --bench core -- --output-format=json >"$results"
compare "$@"
