# What a user and a contributor run. Needs Rust (rust-toolchain.toml) and, for `test` and `contracts`, Node.js.

# The play of a bill of lading between three members; with ONCE=1 it ends by itself and fails unless all saw the same.
PROFILE ?= dev

.PHONY: demo build test lint bench contracts

demo:
	cargo run --profile $(PROFILE) --locked -p photinus-cli --bin photinus -- demo $(if $(ONCE),--once)

build:
	cargo build --release --locked -p photinus-cli --bin photinus

# The figures of a local network of the release build, beside the goals, also as target/bench.json. Takes about six minutes
# after the build.
bench: build
	./target/release/photinus bench --json target/bench.json

# Real processes under every fault, on SQLite and on PostgreSQL.
.PHONY: torture
torture: build
	./target/release/photinus torture --minutes 2
	./target/release/photinus torture --minutes 2 --postgres

# Property tests draw the same cases each time, so that what fails can be repeated; `make test SEED=` draws others.
SEED ?= 1

test: lint contracts-check
	$(if $(SEED),PROPTEST_RNG_SEED=$(SEED)) cargo test --workspace --locked --no-fail-fast

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Compiles our Solidity with the compiler from npm.
contracts:
	cd contracts && npm ci --no-audit --no-fund && npm run build

.PHONY: prepare contracts-check
prepare:
	tests/prepare.sh

contracts-check: prepare
	cd contracts && npm run check
