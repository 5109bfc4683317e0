# Everything a person or a machine runs here. On Debian as root, what is missing is installed; elsewhere it is named.

CARGO ?= cargo

.PHONY: all test lint deny bench

all: lint test

# Every tier. The real tier deploys, kills and loads real processes; it takes some minutes.
test:
	$(CARGO) build
	TIDEGATE_TIER=real $(CARGO) test

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(MAKE) deny

# Licences, duplicate and banned crates, sources: the parts that need no network.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked --quiet cargo-deny
	$(CARGO) deny --offline check bans licenses sources

# Everything that is measured, against nginx where there is a peer: minutes, best on a quiet machine. PARTS="demo judge" for some.
bench:
	tests/bench/setup.sh
	tests/bench/run.sh $(PARTS)
