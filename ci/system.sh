#!/usr/bin/env bash
# Accounts of the machine, made with useradd, on the server program. As root: the tests fail where it is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

# Wrong passwords wait for PAM most of the time, so many tests can run at once.
cargo test -p ferry --features system-tests --test system --locked -- --test-threads 12 "$@"
