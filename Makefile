# Everything a person or a machine runs here. On Debian as root, what is missing is installed; elsewhere it is named.

CARGO ?= cargo
export CARGO

.PHONY: all test test-local testbed-install testbed-up testbed-down lint deny bench

all: lint test

# Every tier. The testbed is built first, which takes its time once, and is down again at the end.
test:
	tests/run.sh

# The tiers that need neither Linux namespaces nor root: what runs in a process, and real processes on the loopback.
test-local:
	tests/run.sh hermetic local

# What the testbed runs, into ~/.cache/tidegate-testbed (or $TIDEGATE_TESTBED).
testbed-install:
	tests/testbed/install.sh

# The testbed for work by hand; prints how to reach each part. PARTS="node1 gateway" for some.
testbed-up: testbed-install
	$(CARGO) build --workspace
	$(CARGO) run --quiet --package testbed -- up $(PARTS)

testbed-down:
	$(CARGO) run --quiet --package testbed -- down

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(MAKE) deny

# Licences, duplicate and banned crates, sources: the parts that need no network, once the crates of all platforms are there.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --quiet cargo-deny
	$(CARGO) fetch --locked --quiet
	$(CARGO) deny --offline check bans licenses sources

# Everything that is measured, against nginx where there is a peer: minutes, best on a quiet machine. PARTS="demo judge" for some.
bench:
	tests/bench/setup.sh
	tests/bench/run.sh $(PARTS)
