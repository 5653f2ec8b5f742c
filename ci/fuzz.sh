# shellcheck shell=bash
# What the short and the long runs of the fuzzer share; sourced, never run. It wants common.sh before it.

FUZZ_HOST=$(rustc -vV | sed -n 's/^host: //p')
# Beyond this an input is no line, no path and no file of options, but a flood; it only slows things down.
FUZZ_LONGEST=8192
# Nothing that is fuzzed has any `unsafe` of its own: a sanitizer would only make it slower.
FUZZ_BUILD=(--target "$FUZZ_HOST" --sanitizer none)

fuzz_targets() {
    echo "${FUZZ_TARGETS:-$(cargo +nightly fuzz list)}"
}

# Builds the targets, and writes the seeds that follow from transcripts, clients and documentation into fuzz/corpus.
fuzz_prepare() {
    if [ -z "$(fuzz_targets)" ]; then
        echo "error: no fuzz targets found" >&2
        return 1
    fi
    cargo +nightly fuzz build "${FUZZ_BUILD[@]}"
    cargo run --quiet --locked -p ferry-fuzz-checks --example write_seeds
}

# TARGET LOG FOUND OPTIONS..: the seeds first, then what the fuzzer makes of them; new inputs go into the folder FOUND.
fuzz_run() {
    local target=$1 log=$2 found=$3 folders=()
    shift 3
    mkdir -p "$found"
    for folder in "fuzz/corpus/$target" "fuzz/seeds/$target"; do
        if [ -d "$folder" ] && [ "$folder" != "$found" ]; then folders+=("$folder"); fi
    done
    # stderr holds libFuzzer's chatter.
    cargo +nightly fuzz run "${FUZZ_BUILD[@]}" "$target" "$found" "${folders[@]}" -- \
        -dict=fuzz/dictionaries/ftp.dict -max_len="$FUZZ_LONGEST" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 "$@" >"$log" 2>&1
}

# What a log says of a finding: the panic, the input, and how to run it again.
fuzz_tell() {
    local target=$1 log=$2 input
    tail -n 80 "$log"
    input=$(sed -n 's/^.*Test unit written to //p' "$log" | tail -n 1)
    echo
    echo "error: fuzz target $target has found something" >&2
    if [ -f "$input" ]; then
        echo "the input, $(wc -c <"$input") bytes in base64:"
        base64 "$input"
        echo "to replay it:"
        echo "    base64 -d >finding   # and paste it"
        echo "    cargo +nightly fuzz run --target $FUZZ_HOST --sanitizer none $target finding"
        echo "once it is mended: a test of that name in its crate, and the input into fuzz/seeds/$target/"
    fi
}
