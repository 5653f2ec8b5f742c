#!/usr/bin/env bash
# The reference model against the session: a million cases, and others each time. The seed that it names brings the same
# cases again; PROPTEST_CASES and PROPTEST_RNG_SEED say otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PROPTEST_CASES=${PROPTEST_CASES:-1000000}
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$(date +%s)}

echo "PROPTEST_CASES=$PROPTEST_CASES PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED"
cargo test --release --locked -p ferry-tests --test model
