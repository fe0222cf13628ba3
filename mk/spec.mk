# The WebAssembly test suite: tests/spec/run.c over $WEIR_SPEC_DIR (default ../shared/wasm-spec).
SPEC_RUN := $(B)/tests/spec/run
SPEC_TIERS ?= interp aot

$(B)/tests/spec/%.o: tests/spec/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -c $< -o $@

$(SPEC_RUN): $(patsubst %,$(B)/tests/spec/%.o,run script value compile) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(LDFLAGS) -ljansson -lm -o $@

.PHONY: test-spec
test-spec: $(SPEC_RUN) $(B)/weirc ## the WebAssembly test suite ($WEIR_SPEC_DIR, default ../shared/wasm-spec)
	$(Q)for t in $(SPEC_TIERS); do echo "spec suite, tier $$t:"; \
	  $(SPEC_RUN) --tier $$t --expected tests/spec/expected-failures.txt || exit 1; done
