#!/usr/bin/env bash
# Each fuzz target for an hour, on what earlier runs have left in fuzz/corpus; then a table for docs/verification.md. It does
# not stop at a finding: it tells of all of them at the end, and fails.
# FUZZ_SECONDS for each (3600), FUZZ_TARGETS for some of them alone, FUZZ_JOBS for so many side by side (1).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh
# shellcheck source=ci/fuzz.sh
source ci/fuzz.sh

SECONDS_EACH=${FUZZ_SECONDS:-3600}
JOBS=${FUZZ_JOBS:-1}
logs=$(mktemp -d)

# A number of libFuzzer's last statistics, or of the last line that has the key.
statistic() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }
last_of() { grep -oE "$2: [0-9]+" "$1" | tail -n 1 | cut -d' ' -f2; }

# Seconds of the clock, and of the processor.
row() {
    local target=$1 log=$2 seconds=$3 findings=$4 runs
    runs=$(statistic "$log" number_of_executed_units)
    printf '| %s | %s | %.0f | %s | %s | %s | %s |\n' "$target" "$seconds" "$(tail -n 1 "$log.time")" "${runs:-?}" \
        "$(last_of "$log" cov || true)" "$(last_of "$log" ft || true)" "$findings"
}

fuzz_one() {
    local target=$1 log=$logs/$1 findings=none began=$SECONDS TIMEFORMAT=%U
    { time fuzz_run "$target" "$log" "fuzz/corpus/$target" -max_total_time="$SECONDS_EACH"; } 2>"$log.time" ||
        findings="**see above**"
    row "$target" "$log" $((SECONDS - began)) "$findings" | tee "$log.row"
}

fuzz_prepare
heading "fuzz each target for $SECONDS_EACH s, $JOBS at a time"
for target in $(fuzz_targets); do
    while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n; done
    fuzz_one "$target" &
done
wait

failed=()
for target in $(fuzz_targets); do
    if grep -qF 'see above' "$logs/$target.row"; then
        fuzz_tell "$target" "$logs/$target"
        failed+=("$target")
    fi
done
echo
echo '| target | seconds | of the processor | executions | coverage (edges) | features | findings |'
echo '|---|---|---|---|---|---|---|'
for target in $(fuzz_targets); do cat "$logs/$target.row"; done
rm -rf "$logs"
if [ ${#failed[@]} -gt 0 ]; then
    echo "error: findings in ${failed[*]}" >&2
    exit 1
fi
