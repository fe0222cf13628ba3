# Plugins measured: under load through the gateway, and alone against the same code built natively.
.PHONY: bench-oauth
bench-oauth: $(ALL) ## examples/oauth under wrk: the load of bench/k6/oauth.js
	$(Q)$(PYTHON) bench/oauth.py $(BENCH_FLAGS)
