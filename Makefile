# Coffer's commands. Everything here works from a fresh clone with git, make, a C compiler, rustup
# and Python 3 (clients in Go, JavaScript and Java are tested where Go, npm and Maven are); nothing needs root, nothing is installed outside this folder but the toolchain.
# CARGO_TARGET_DIR is honoured.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run release toolchain test test-rust test-clients test-more-clients test-small-drive \
        test-all soak fuzz bench check fmt clippy tidy deny tools clean-tools

export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/local/go/bin

TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"$$/\1/p' rust-toolchain.toml)
TARGET    := $(abspath $(or $(CARGO_TARGET_DIR),target))
TOOLS     := $(CURDIR)/.tools
DATA      ?= ./data
PYTHON    ?= python3
VENV      := $(TOOLS)/venv

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2

JOBS := $(shell nproc)

# How much of the simulator runs: seeds in `make test`; power cuts in `make soak`, spread evenly
# over the twelve places where they are aimed. And for how long each fuzz target runs: those of
# persisted bytes, and those of what clients send.
TEST_SEEDS           ?= 400
SOAK_CUTS            ?= 100000
FUZZ_SECONDS         ?= 60
FUZZ_GATEWAY_SECONDS ?= 600

FUZZ_GATEWAY := xml chunks range query headers
FUZZ_STORED  := $(filter-out $(FUZZ_GATEWAY),$(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs)))

help:
	@echo 'make run       build (about 5 minutes the first time) and start a store in $(DATA)'
	@echo 'make release   the optimised binary: $(TARGET)/release/coffer'
	@echo 'make check     formatting, clippy, repository rules, licences'
	@echo 'make test      all tests, a share of the simulator, real clients (up to 30 minutes)'
	@echo 'make test-all  check, test, more clients, a small drive, soak'
	@echo 'make soak      $(SOAK_CUTS) simulated power cuts, then the fuzz targets'
	@echo 'make bench     goal, value, pass or miss for each line; fails on a miss'

# --- Running ---------------------------------------------------------------------------------

run: toolchain
	cargo build --locked --profile quick --package coffer
	exec $(TARGET)/quick/coffer serve $(DATA)

release: toolchain
	cargo build --locked --release --package coffer
	@echo 'built $(TARGET)/release/coffer'

# A toolchain that is there is left alone, so that this works without a network.
toolchain:
	@command -v rustup >/dev/null || { \
	  echo 'rustup is missing; install it from https://rustup.rs and run make again' >&2; exit 1; }
	@have=$$(rustup component list --toolchain $(TOOLCHAIN) --installed 2>/dev/null || true); \
	for part in cargo clippy rustfmt rust-std-wasm32-unknown-unknown; do \
	  if ! grep -q "^$$part" <<<"$$have"; then \
	    rustup toolchain install $(TOOLCHAIN) --no-self-update --profile minimal \
	      --component clippy --component rustfmt --target wasm32-unknown-unknown; \
	    break; \
	  fi; \
	done

# --- Checking --------------------------------------------------------------------------------

check: fmt clippy tidy deny

fmt: toolchain
	cargo fmt --all --check
	cargo fmt --manifest-path tests/clients/rust/Cargo.toml --check

clippy: toolchain
	cargo clippy --locked --workspace --all-targets -- -D warnings

tidy: toolchain
	cargo xtask tidy

# Advisories are left out on purpose: their database is a git repository that CI cannot reach.
# `cargo deny check advisories` runs it where there is a network.
deny: $(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION)
	$< --manifest-path Cargo.toml check bans licenses sources

# Built without optimisation: it checks a few hundred crates, and building it dominates.
$(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION): | toolchain
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --locked --debug --root $(TOOLS) \
	  cargo-deny@$(CARGO_DENY_VERSION)
	rm -rf $(TOOLS)/build
	mv $(TOOLS)/bin/cargo-deny $@

# --- Testing ---------------------------------------------------------------------------------

# Everything at once: unit and property tests, the conformance suites, and (coffer-tests) real
# clients against the real binary; then the simulator's fixed share.
test: toolchain tools
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --no-fail-fast
	cargo run --locked --package coffer-simulator -- --seeds 0..$(TEST_SEEDS) --jobs $(JOBS)

# Without the black-box tests; needs nothing but the toolchain.
test-rust: toolchain
	cargo test --locked --workspace --exclude coffer-tests --no-fail-fast

# Only the black-box tests.
test-clients: toolchain tools
	cargo build --locked --workspace --bins
	cargo test --locked --package coffer-tests --no-fail-fast

# Clients that take longer to install than they are worth in every run.
test-more-clients: toolchain tools $(TOOLS)/more/.installed $(TOOLS)/go/litestream \
                   $(TOOLS)/java/.installed
	cargo build --locked --package coffer --bins
	cargo test --locked --package coffer-tests --test more_clients --no-fail-fast

# What a drive that is too small shows, on a file system of 2 GiB in memory.
test-small-drive: toolchain
	cargo build --locked --package coffer --package coffer-tests --bins
	COFFER_BIN=$(TARGET)/debug/coffer tests/small_drive.sh $(TARGET)/debug/small_drive

# `make bench` stands apart: its figures are for people, and depend on the machine.
test-all: check test test-more-clients test-small-drive soak

# The clients of the black-box tests, each pinned and built anew when its pins change.
tools: $(VENV)/.installed $(TOOLS)/rust/.installed $(TOOLS)/js/.installed \
       $(TOOLS)/go/rclone $(TOOLS)/go/mc

# Rebuilt whole when the pinned requirements change, so no leftover can make a test pass.
$(VENV)/.installed: tests/requirements.txt
	@command -v curl >/dev/null || { echo 'curl is missing; the tests paste its line' >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(TOOLS)/more/.installed: tests/clients/more/requirements.txt
	rm -rf $(TOOLS)/more
	$(PYTHON) -m venv $(TOOLS)/more
	$(TOOLS)/more/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(TOOLS)/rust/.installed: $(wildcard tests/clients/rust/Cargo.* tests/clients/rust/src/*) | toolchain
	CARGO_INCREMENTAL=0 cargo build --locked --manifest-path tests/clients/rust/Cargo.toml \
	  --target-dir $(TOOLS)/rust
	touch $@

# A machine may lack what builds a client; its test is then skipped, and says so. CI has it all.
without = if ! command -v $(1) >/dev/null; then \
	  echo '$(1) is missing; clients that need it are not tested' >&2; \
	  [[ "$${CI:-}" != true ]]; exit; \
	fi

$(TOOLS)/js/.installed: tests/clients/js/package.json tests/clients/js/package-lock.json
	@$(call without,npm); \
	rm -rf $(TOOLS)/js; mkdir -p $(TOOLS)/js; cp $^ $(TOOLS)/js; \
	npm --prefix $(TOOLS)/js ci --no-audit --no-fund --ignore-scripts --loglevel=error; \
	touch $@

# Maven's own cache stays inside as well. `java` runs the test from its source.
$(TOOLS)/java/.installed: tests/clients/java/pom.xml
	@$(call without,mvn); \
	rm -rf $(TOOLS)/java/lib; \
	mvn --batch-mode --quiet --file $< -Dmaven.repo.local=$(TOOLS)/java/repository \
	  dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(TOOLS)/java/lib; \
	touch $@

$(TOOLS)/go/rclone: tests/clients/go/rclone/main.go
$(TOOLS)/go/%: tests/clients/go/%/go.mod tests/clients/go/%/go.sum
	@$(call without,go); \
	echo 'building $* (a minute or two)'; \
	cd tests/clients/go/$* && CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' \
	  go build -ldflags='-s -w' -o $@ tool

# Power cuts, one in twenty inside each place at least, then each planted bug, then the parsers. Invariants are asserted: this is
# not about speed.
soak: toolchain
	cargo run --locked --release --package coffer-simulator -- --jobs $(JOBS) \
	  --seeds 0..1000000000 --cuts 8 --until-cuts $$(($(SOAK_CUTS) / 20)) --cuts-in-all $(SOAK_CUTS)
	cargo run --locked --release --package coffer-simulator --features planted-bugs -- \
	  --jobs $(JOBS) --seeds 0..200 --planted
	$(MAKE) --no-print-directory fuzz

# No sanitizer: Coffer has no `unsafe` of its own, and without one the pinned toolchain does. All are
# built first, then as many run at a time as there are cores; each one's log is shown when it ends.
# A target that fails fails the whole, and its input stays in fuzz/artifacts/.
fuzz: $(TOOLS)/bin/cargo-fuzz-$(CARGO_FUZZ_VERSION)
	$< fuzz build --sanitizer none
	$(MAKE) --no-print-directory --jobs $(JOBS) --keep-going --output-sync=target \
	  $(FUZZ_STORED:%=fuzz-%) $(FUZZ_GATEWAY:%=fuzz-%)

# What `-dict` names are words that a target's parser knows.
fuzz-%:
	@echo '== $* for $(if $(filter $*,$(FUZZ_GATEWAY)),$(FUZZ_GATEWAY_SECONDS),$(FUZZ_SECONDS)) s'
	@env -u MAKEFLAGS $(TOOLS)/bin/cargo-fuzz-$(CARGO_FUZZ_VERSION) fuzz run --sanitizer none $* -- \
	  -max_total_time=$(if $(filter $*,$(FUZZ_GATEWAY)),$(FUZZ_GATEWAY_SECONDS),$(FUZZ_SECONDS)) \
	  $(patsubst %,-dict=%,$(wildcard fuzz/words/$*.dict)) -len_control=20 -print_final_stats=1 \
	  > fuzz/target/$*.log 2>&1 && failed= || failed=yes; \
	grep -vE '^#|NEW_(FUNC|PC)|# Uses:' fuzz/target/$*.log; \
	grep -E '^#[0-9]' fuzz/target/$*.log | sed -n '1p; $$p'; \
	[[ -z $$failed ]]

$(TOOLS)/bin/cargo-fuzz-$(CARGO_FUZZ_VERSION): | toolchain
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --locked --debug --root $(TOOLS) \
	  cargo-fuzz@$(CARGO_FUZZ_VERSION)
	rm -rf $(TOOLS)/build
	mv $(TOOLS)/bin/cargo-fuzz $@

bench: toolchain
	cargo build --locked --release --package coffer --package coffer-benches
	cargo run --locked --release --package coffer-benches

clean-tools:
	rm -rf $(TOOLS)
