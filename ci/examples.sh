#!/usr/bin/env bash
# Builds every example, and lets curl try each of them out (tests/interop/examples.rs says how).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

cargo build -p ferry-examples --examples --locked
cargo test -p ferry-tests --features interop --test interop --locked -- examples:: "$@"
