# How long a plugin is away after a trap: key-auth, and a module of 600 KB with 8 MiB of live memory.
BENCH_HEAL_MODULES := build/bench/heal/key_auth.wasm build/bench/heal/large.wasm

$(B)/bench/heal/heal: bench/heal/heal.c $(BENCH_HOST_OBJS) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR) mk/bench-heal.mk
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) $< $(BENCH_HOST_OBJS) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR) $(LDFLAGS) $(CLI_LIBS) -o $@

build/bench/heal/key_auth.wasm: bench/heal/key_auth.c bench/heal/trap.h plugins/key-auth/plugin.c build/plugins/libcommon.a $(SDK_LIBS)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Ibuild/sdk/include -Iplugins/common $< build/plugins/libcommon.a \
	  -Lbuild/sdk -lweir_json -lweir_crypto -lweir_regex -lweir_plugin $(WASM_LDFLAGS) -Wl,--strip-debug -o $@

build/bench/heal/large.wasm: bench/heal/large.c bench/heal/trap.h $(SQLITE)/build/sqlite3.c $(SDK_LIBS)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) -mbulk-memory -DNDEBUG -w $(SQLITE_FLAGS) -Ibuild/sdk/include $(filter-out %.a %.h,$^) \
	  -D_WASI_EMULATED_PROCESS_CLOCKS -lwasi-emulated-process-clocks \
	  -Lbuild/sdk -lweir_plugin $(WASM_LDFLAGS) -Wl,--strip-debug -o $@

.PHONY: bench-heal
bench-heal: $(ALL) $(B)/bench/heal/heal $(BENCH_HEAL_MODULES) ## from a trap to the next request served, and load with traps in it
	$(Q)$(PYTHON) bench/heal/run.py $(BENCH_FLAGS)
