#!/usr/bin/env bash
# Each fuzz target for an hour, one after the other, on what earlier runs have left in fuzz/corpus; then a table for
# docs/verification.md. It does not stop at a finding: it tells of all of them at the end, and fails.
# FUZZ_SECONDS for each (3600), FUZZ_TARGETS for some of them alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh
# shellcheck source=ci/fuzz.sh
source ci/fuzz.sh

SECONDS_EACH=${FUZZ_SECONDS:-3600}
logs=$(mktemp -d)
rows=()
failed=()

# A number of libFuzzer's last statistics, or of the last line that has the key.
statistic() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }
last_of() { grep -oE "$2: [0-9]+" "$1" | tail -n 1 | cut -d' ' -f2; }

row() {
    local target=$1 log=$2 seconds=$3 findings=$4 runs
    runs=$(statistic "$log" number_of_executed_units)
    printf '| %s | %s | %s | %s | %s | %s |' "$target" "$seconds" "${runs:-?}" \
        "$(last_of "$log" cov || true)" "$(last_of "$log" ft || true)" "$findings"
}

fuzz_prepare
for target in $(fuzz_targets); do
    log=$logs/$target findings=none began=$SECONDS
    heading "fuzz $target for $SECONDS_EACH s"
    if ! fuzz_run "$target" "$log" "fuzz/corpus/$target" -max_total_time="$SECONDS_EACH"; then
        fuzz_tell "$target" "$log"
        failed+=("$target")
        findings="**see above**"
    fi
    rows+=("$(row "$target" "$log" $((SECONDS - began)) "$findings")")
    echo "${rows[-1]}"
done

echo
echo '| target | seconds | executions | coverage (edges) | features | findings |'
echo '|---|---|---|---|---|---|'
printf '%s\n' "${rows[@]}"
rm -rf "$logs"
if [ ${#failed[@]} -gt 0 ]; then
    echo "error: findings in ${failed[*]}" >&2
    exit 1
fi
