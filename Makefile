.PHONY: bench

# Everything that is measured, against nginx where there is a peer: minutes, best on a quiet machine. PARTS="demo judge" for some.
bench:
	tests/bench/setup.sh
	tests/bench/run.sh $(PARTS)
