# The module beside the same nginx without it.
.PHONY: bench-large bench-uploads
bench-large: $(ALL) ## 1 GiB up and down through a header plugin, beside nginx without the module
	$(Q)$(PYTHON) bench/nginx/large.py --out bench/results/large.txt $(BENCH_FLAGS)

bench-uploads: $(ALL) guests ## uploads of 1 KiB to 16 MiB, beside nginx without the module
	$(Q)$(PYTHON) bench/nginx/uploads.py --out bench/results/uploads.txt $(BENCH_FLAGS)
