# Changing a large configuration: time to effect beside `nginx -s reload`, and what the model costs.
$(B)/bench/config/micro: bench/config/micro.c $(LIBGW) $(LIBWEIR)
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LIBGW) $(LIBWEIR) $(LDFLAGS) -lyaml -lpcre2-8 -lcrypto -lm -o $@

.PHONY: bench-config
bench-config: $(ALL) $(B)/bench/config/micro ## from a written file to effect at 10,000 routes, beside `nginx -s reload`
	$(Q)$(PYTHON) bench/config/run.py --out bench/results/config.txt $(BENCH_FLAGS)
