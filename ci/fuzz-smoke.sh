#!/usr/bin/env bash
# Each fuzz target over its seeds, and then for a short while: finds what is shallow and keeps the targets building.
# FUZZ_SECONDS for each (20), FUZZ_TARGETS for some of them alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh
# shellcheck source=ci/fuzz.sh
source ci/fuzz.sh

SECONDS_EACH=${FUZZ_SECONDS:-20}

fuzz_prepare
for target in $(fuzz_targets); do
    heading "fuzz $target for $SECONDS_EACH s"
    log=$(mktemp)
    # What it comes across is not kept: every run begins with the seeds alone.
    found=$(mktemp -d)
    # And with the same choices: what the checks say is to follow from the change. New ground is fuzz-long's.
    if ! fuzz_run "$target" "$log" "$found" -max_total_time="$SECONDS_EACH" -seed=1; then
        fuzz_tell "$target" "$log"
        exit 1
    fi
    grep -E '^#[0-9]+[[:space:]]+DONE|^Done ' "$log"
    rm -rf "$log" "$found"
done
echo "fuzz smoke: $(fuzz_targets | wc -w) targets, $SECONDS_EACH s each"
