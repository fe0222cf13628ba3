# Plugins measured: under load through the gateway, and alone against the same code built natively.
.PHONY: bench-oauth
bench-oauth: $(ALL) ## examples/oauth under wrk: the load of bench/k6/oauth.js
	$(Q)$(PYTHON) bench/oauth.py $(BENCH_FLAGS)

# The libraries are named by files that are read after this one, so prerequisites are expanded when they are used.
.SECONDEXPANSION:

# Each plugin with a bench.json, and the empty one, natively on the fake server of `weir try`.
BENCH_PLUGINS := $(patsubst plugins/%/bench.json,%,$(sort $(wildcard plugins/*/bench.json)))
BENCH_NATIVE := $(BENCH_PLUGINS:%=$(B)/bench/plugins/%) $(B)/bench/plugins/empty
BENCH_HOST := bench/plugins/native.c bench/plugins/native_host.c
BENCH_HOST_OBJS := $(filter-out %/main.o %/try.o,$(call objs,cli))

bench_source = $(if $(filter empty,$(1)),bench/plugins/empty.c,$(sort $(wildcard plugins/$(1)/*.c)))
$(B)/bench/plugins/%: $$(call bench_source,$$*) $(BENCH_HOST) $(BENCH_HOST_OBJS) $$(GUEST_LIBS) $$(LIBCONTROL) $$(LIBFETCH) $$(LIBFOREIGN) \
    $$(LIBGW) $$(LIBWEIR) mk/bench-plugins.mk
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CPPFLAGS) -Ibench/plugins $(BENCH_HOST) $(call bench_source,$*) \
	  $(GUEST_LIBS) $(BENCH_HOST_OBJS) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR) $(LDFLAGS) $(CLI_LIBS) -Wl,--as-needed -lstdc++ -o $@

build/plugins/bench/empty.wasm: bench/plugins/empty.c $$(SDK_LIBS)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Ibuild/sdk/include $< -Lbuild/sdk -lweir_plugin $(WASM_LDFLAGS) -o $@

.PHONY: bench-plugins
bench-plugins: $$(ALL) $(BENCH_NATIVE) build/plugins/bench/empty.wasm ## CPU per request of each plugin, compiled and built natively
	$(Q)$(PYTHON) bench/plugins/run.py $(BENCH_FLAGS)

.PHONY: bench-isolation
bench-isolation: $$(ALL) ## CPU per request by isolation: shared, route, request
	$(Q)$(PYTHON) bench/plugins/isolation.py $(BENCH_FLAGS)
