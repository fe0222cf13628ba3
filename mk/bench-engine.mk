# Engines compared on kernels; results land in bench/results/.
.PHONY: bench-engine
bench-engine: $(ALL) ## compare weir, V8 and wasm2c with native code on the kernels of bench/kernels
	$(Q)$(PYTHON) bench/engine/run.py $(BENCH_FLAGS)

$(B)/bench/engine/micro: bench/engine/micro.c $(LIBWEIR)
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LIBWEIR) $(LDFLAGS) -lm -ldl -o $@

.PHONY: bench-micro
bench-micro: $(B)/bench/engine/micro $(B)/weirc ## what calls, instances and resets cost: weir, V8, wasm2c
	$(Q)$(PYTHON) bench/engine/micro.py $(BENCH_FLAGS)
