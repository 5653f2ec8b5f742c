# Lists the recipes.
default:
    @just --list

# All checks, exactly as CI runs them.
ci:
    .ci/run

# What the README promises: needs a Rust toolchain and nothing else.
test *ARGS:
    cargo test --workspace {{ARGS}}

# Formats all code; `just fmt --check` only looks.
fmt *ARGS:
    cargo fmt --all {{ARGS}}

clippy:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --locked -- -D warnings

doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked

# Licences, sources, bans, advisories.
deny:
    ci/deny.sh

# ftp-types and ftp-proto: no std, no dependency.
purity:
    ci/purity.sh

# The server with the cryptography of ring.
ring:
    ci/ring.sh

# Every state of the core against every input, further than the tests walk; minutes.
explore:
    cargo test --release -p ferry-tests --test explore -- --include-ignored --nocapture

# Real clients on both runtimes; `just interop curl` for one of them.
interop *FILTER:
    ci/interop.sh {{FILTER}}

# Accounts of the machine, made with useradd: as root; `just system ownership` for some of them.
system *FILTER:
    ci/system.sh {{FILTER}}

# Hostile clients, failing disks and floods: as root, with FUSE; `just hostile load::` for some of them.
hostile *FILTER:
    ci/hostile.sh {{FILTER}}

# Random clients against a model for about ten minutes, from another seed each time; SOAK_SEED=n repeats one.
soak ROUNDS="30000":
    SOAK_SEED="${SOAK_SEED:-$(date +%s)}" SOAK_ROUNDS={{ROUNDS}} ci/hostile.sh --nocapture soak::

# Builds and runs every example.
examples:
    ci/examples.sh

# Builds everything for Windows and tries it out under Wine; `just windows debian` with Debian's compiler.
windows *TOOLCHAIN:
    ci/windows.sh {{TOOLCHAIN}}

# Fuzzes one target until stopped; needs nightly and cargo-fuzz.
fuzz TARGET *ARGS:
    cargo run --quiet -p ferry-fuzz-checks --example write_seeds
    cargo +nightly fuzz run --sanitizer none {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -dict=fuzz/dictionaries/ftp.dict {{ARGS}}

# Every fuzz target for a few seconds.
fuzz-smoke:
    ci/fuzz-smoke.sh

# Every fuzz target for an hour, and a table of what came of it; FUZZ_SECONDS and FUZZ_TARGETS for less.
fuzz-long:
    ci/fuzz-long.sh

# The pure crates under Miri; `rustup component add miri rust-src --toolchain nightly` has it. Two tests take it too long.
miri:
    cargo +nightly miri test -p ftp-types -p ftp-proto --lib -- --skip every_day_of_eight_centuries --skip endless_bytes

# The reference model against the session: a million cases, and others each time.
model:
    ci/model.sh

# Line and branch coverage of ftp-proto and ftp-fs; needs nightly. `just coverage --html` shows the lines.
coverage *ARGS:
    ci/coverage.sh {{ARGS}}

# Plants classic bugs in a copy of the tree: the tests have to notice each; half an hour. `just planted 05` for one.
planted *NAMES:
    ci/planted.sh {{NAMES}}

# Changes ftp-proto and ftp-fs in thousands of small ways, and shows which of them no test notices; about an hour.
# `just mutants ftp-proto --only login.rs` for some of them, `--again` for those that survived last time.
mutants *ARGS:
    cargo run --locked -p ferry-mutants -- {{ARGS}}

# Simulates the whole driver with new seeds for so many seconds; one that fails is told with the command to see it again.
simulate SECONDS="3600":
    SIMULATE_SECONDS={{SECONDS}} cargo test --release -p ferry-tests --test simulate new_seeds -- --ignored --nocapture

# Measures Ferry, the peers that bench/peers.sh fetched and the limit: half an hour or more. `just bench --cases noop list`.
bench *ARGS:
    cargo build --release -p ferry -p ferry-bench
    target/release/ferry-bench run {{ARGS}}

# Less of everything, once: a minute or two with all servers, as busy as the machine is, once it is built.
bench-quick *ARGS:
    cargo build --release -p ferry -p ferry-bench
    target/release/ferry-bench run --quick {{ARGS}}

# Counts the instructions of the protocol core, and tells what changed; `just instructions --update` keeps the counts.
instructions *ARGS:
    ci/instructions.sh {{ARGS}}

# Installs the client programs and cargo tools that the checks use.
install:
    ci/install.sh
