# The interpreter beside native code on the kernels of bench/kernels.
.PHONY: bench-interp
bench-interp: $(B)/weir ## how many times slower than native -O3 the interpreter is
	$(Q)$(PYTHON) bench/interp/run.py $(BENCH_FLAGS)
