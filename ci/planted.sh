#!/usr/bin/env bash
# Plants classic bugs, one at a time, in a copy of the tree, and demands that the tests notice each of them.
#
#   ci/planted.sh              all of tests/planted
#   ci/planted.sh 05 07        those whose names begin so
#   FIRST=1 ci/planted.sh      names only the first test program that notices: minutes
#   ci/planted.sh --apply      only whether each can still be planted: seconds, where the tests take half an hour
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=ci/common.sh
source ci/common.sh

# A bug may make a test wait for ever.
LIMIT=1200
TESTED=(-p ftp-types -p ftp-proto -p ftp-fs -p ftp-driver -p ferry-tests)
BUILD=${CARGO_TARGET_DIR:-target}/planted
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
TREE=$BUILD/tree

# The tracked files as they are now. Their times stay, so that cargo builds again what a bug has changed, and no more.
copy_tree() {
    rm -rf "$TREE"
    mkdir -p "$TREE"
    git ls-files -z | xargs -0 cp --parents --preserve=timestamps -t "$TREE"
}

patches() {
    local prefix patch
    for patch in tests/planted/*.patch; do
        [ $# -eq 0 ] && echo "$patch"
        for prefix in "$@"; do
            [[ $(basename "$patch") == "$prefix"* ]] && echo "$patch"
        done
    done
    return 0
}

# The targets that fail, a line each; nothing when all pass.
failing_targets() {
    local log=$BUILD/log status=0 all=(--no-fail-fast)
    [ -z "${FIRST:-}" ] || all=()
    (cd "$TREE" && CARGO_TARGET_DIR=$BUILD/target timeout --kill-after=30 "$LIMIT" \
        cargo test "${all[@]}" --locked "${TESTED[@]}") >"$log" 2>&1 || status=$?
    case $status in
    0) ;;
    124) echo "(a test that does not end)" ;;
    *)
        grep -q '^error: .*could not compile' "$log" && { tail -n 40 "$log" >&2; return 1; }
        # shellcheck disable=SC2016
        sed -n -e 's/^ *`\(-p .*\)`$/\1/p' -e 's/^error: test failed, to rerun pass `\(-p .*\)`$/\1/p' "$log" |
            sort -u | grep . || { tail -n 40 "$log" >&2; return 1; }
        ;;
    esac
}

plant() {
    local patch=$1 name found
    name=$(basename "$patch" .patch)
    (cd "$TREE" && patch --quiet -p1 --no-backup-if-mismatch) <"$patch"
    found=$(failing_targets)
    (cd "$TREE" && patch --quiet --reverse -p1 --no-backup-if-mismatch) <"$patch"
    if [ -z "$found" ]; then
        printf '%s: NOT NOTICED\n' "$name"
        return 1
    fi
    printf '%s: noticed by %s\n' "$name" "$(paste -sd ';' <<<"$found" | sed 's/;/; /g')"
}

copy_tree
if [ "${1:-}" = --apply ]; then
    for patch in $(patches); do
        (cd "$TREE" && patch --quiet --dry-run --fuzz=0 -p1) <"$patch" ||
            { echo "error: $patch cannot be planted any more; make it anew" >&2; exit 1; }
    done
    echo "planted bugs: all $(patches | wc -l) can be planted"
    exit 0
fi

mapfile -t chosen < <(patches "$@")
[ ${#chosen[@]} -gt 0 ] || { echo "error: no bug of tests/planted has such a name" >&2; exit 2; }
heading "without any bug"
found=$(failing_targets)
[ -z "$found" ] || { echo "error: fails as it is: $found" >&2; exit 1; }
missed=0
for patch in "${chosen[@]}"; do
    plant "$patch" || missed=$((missed + 1))
done
[ "$missed" -eq 0 ] || { echo "error: $missed of ${#chosen[@]} bugs were not noticed" >&2; exit 1; }
echo "planted bugs: all ${#chosen[@]} were noticed"
