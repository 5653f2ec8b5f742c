#!/usr/bin/env bash
# Real FTP clients against the server program, on both runtimes. The examples have a script of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

cargo build -p ferry --locked
cargo test -p ferry-tests --features interop --test interop --locked -- --skip examples:: "$@"
