#!/usr/bin/env bash
# Each fuzz target for a short while: finds what is shallow and keeps the targets building.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

SECONDS_EACH=${FUZZ_SECONDS:-20}
HOST=$(rustc -vV | sed -n 's/^host: //p')

mapfile -t targets < <(cargo +nightly fuzz list)
if [ ${#targets[@]} -eq 0 ]; then
    echo "error: no fuzz targets found" >&2
    exit 1
fi
cargo +nightly fuzz build --target "$HOST"
for target in "${targets[@]}"; do
    heading "fuzz $target for $SECONDS_EACH s"
    # stderr holds libFuzzer's chatter; its last lines are what a reader wants.
    log=$(mktemp)
    if ! cargo +nightly fuzz run --target "$HOST" "$target" -- \
        -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -verbosity=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "error: fuzz target $target failed" >&2
        exit 1
    fi
    tail -n 2 "$log"
    rm -f "$log"
done
echo "fuzz smoke: ${#targets[@]} targets, $SECONDS_EACH s each"
