#!/usr/bin/env bash
# Hostile clients, failing disks and floods against the server program. As root, on Linux with FUSE: the tests fail
# where they cannot mount.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

cargo test -p ferry --features hostile-tests --test hostile --locked --no-run
# What they mount goes with them, whatever becomes of them.
unshare --mount --propagation private \
    cargo test -p ferry --features hostile-tests --test hostile --locked -- --test-threads 6 "$@"
