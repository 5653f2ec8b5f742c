#!/usr/bin/env bash
# Licences, bans and sources of all dependencies, and the advisories against them where the
# advisory database can be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

cargo deny --locked check bans licenses sources

if timeout 120 cargo deny fetch db; then
    cargo deny --locked check --disable-fetch advisories
else
    shout "ADVISORIES WERE NOT CHECKED: the advisory database could not be fetched." \
        "Run 'cargo deny check advisories' on a machine that can reach it."
fi
