# Engines compared on kernels; results land in bench/results/.
.PHONY: bench-engine
bench-engine: $(ALL) ## compare weir, V8 and wasm2c with native code on the kernels of bench/kernels
	$(Q)$(PYTHON) bench/engine/run.py $(BENCH_FLAGS)
