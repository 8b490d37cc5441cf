# `just` lists these. `just` itself: `cargo install --locked just`, or `pip install rust-just`.

_default:
    @just --list --unsorted

# everything a change has to pass; or the named steps alone
check *steps:
    .ci/run {{ steps }}

# all tests; or what `cargo test` takes: `just test -p kv-core`
test *args:
    scripts/test {{ args }}

# kills stores on disk in the midst of their work, a hundred times each; takes about a minute. `just crash kv-rocksdb rocksdb`
crash package="kv-disk" suite="disk" rounds="100":
    LARDER_CRASH_ROUNDS={{ rounds }} scripts/test -p {{ package }} --test {{ suite }} crash

# starts the servers of the tests and says where they are: `eval "$(just up)"`; `just up redis` starts that one
up *names:
    @scripts/services up {{ names }}

# stops them and removes their data
down *names:
    @scripts/services down {{ names }}

# criterion benches; `just bench memory` runs those whose name has "memory"
bench *filter:
    cargo bench -p larder-benches {{ if filter == "" { "" } else { "-- " + filter } }}

# formats everything
fmt:
    cargo fmt --all

# the documentation of all crates, opened
doc:
    cargo doc --workspace --no-deps --all-features --open

# known advisories against Cargo.lock (needs the network)
advisories:
    cargo deny check advisories

# the memory server on HTTP, for trying things out
serve *args:
    cargo run -p larder-cli -- serve --http 127.0.0.1:8000 {{ args }}
