# The module beside the same nginx without it.
.PHONY: bench-large
bench-large: $(ALL) ## 1 GiB up and down through a header plugin, beside nginx without the module
	$(Q)$(PYTHON) bench/nginx/large.py --out bench/results/large.txt $(BENCH_FLAGS)
