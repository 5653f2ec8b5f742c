#!/usr/bin/env bash
# The server program with the cryptography of ring, and nothing of aws-lc in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

ring=(--no-default-features --features tls-ring --locked)
tree=$(cargo tree -p ferry "${ring[@]}" --edges normal,build --prefix none)
if grep -q '^aws-lc' <<<"$tree"; then
    echo "ferry with ring depends on aws-lc as well" >&2
    exit 1
fi
cargo test -p ferry "${ring[@]}" --test tls -- all_of_a_session_is_under_tls session_reuse_is_demanded made_at_start
