# The guest side: the C SDK (build/sdk), the plugins (build/plugins/NAME.wasm), their native tests.
# Modules do not depend on SAN: they are always in build/.
WASM_CC := clang-19 --target=wasm32-wasi
# A full -g: crash reports name file and line.  bulk-memory: memcpy of a variable length is one instruction.
WASM_CFLAGS := -std=c11 -O2 -g -mbulk-memory $(WARN) -ffile-prefix-map=$(CURDIR)=.
WASM_LDFLAGS := -mexec-model=reactor -Wl,--stack-first -Wl,-z,stack-size=65536 -Wl,--fatal-warnings

# ---- Jansson, from Debian's source
JANSSON := build/third_party/jansson
JANSSON_SHA256 := c739578bf6b764aa0752db9a2fdadcfe921c78f1228c7ec0bb47fa804c55d17b
JANSSON_OBJS := $(addprefix build/sdk/obj/jansson/,error.o hashtable.o load.o memory.o strbuffer.o strconv.o utf.o value.o dump.o)

$(JANSSON)/.fetched: mk/fetch-source.sh
	$(call say,FETCH,jansson)
	$(Q)mk/fetch-source.sh jansson $(JANSSON_SHA256) $(JANSSON)
	@touch $@

build/sdk/include/jansson.h: $(JANSSON)/.fetched mk/plugins.mk
	@mkdir -p $(@D)
	$(Q)sed -e 's/@json_inline@/inline/' -e 's/@json_have_long_long@/1/' -e 's/@json_have_[a-z_]*@/0/' \
	  -e 's/\(JSON_PARSER_MAX_DEPTH\) [0-9]*/\1 64/' $(JANSSON)/src/jansson_config.h.in >$(@D)/jansson_config.h
	$(Q)cp $(JANSSON)/src/jansson.h $@
	@touch $(@D)/jansson_private_config.h

build/sdk/obj/jansson/%.o: build/sdk/include/jansson.h mk/plugins.mk
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) -std=c11 -O2 -g -mbulk-memory -ffile-prefix-map=$(CURDIR)=. -DHAVE_STDINT_H -DNDEBUG -Ibuild/sdk/include -I$(JANSSON)/src \
	  $(if $(filter strconv,$*),-Dstrtod=wp_strtod -Dsnprintf=wp_print_real,-Dsnprintf=wp_snprintf -Dvsnprintf=wp_vsnprintf) \
	  -c $(JANSSON)/src/$*.c -o $@

# ---- the SDK
SDK_JSON_SRC := sdk/c/json.c sdk/c/real.c
SDK_SRC := $(sort $(filter-out $(SDK_JSON_SRC),$(wildcard sdk/c/*.c)))
SDK_HEADERS := $(addprefix build/sdk/include/,weir_plugin.h weir_redis.h weir_json.h weir_crypto.h weir_regex.h)
SDK_CORE_LIBS := build/sdk/libweir_plugin.a build/sdk/libweir_json.a
SDK_LIBS := $(SDK_CORE_LIBS) build/sdk/libweir_crypto.a build/sdk/libweir_regex.a

build/sdk/include/%.h: sdk/c/%.h
	@mkdir -p $(@D)
	$(Q)cp $< $@

build/sdk/obj/%.o: sdk/c/%.c $(wildcard sdk/c/*.h) build/sdk/include/jansson.h
	$(call say,WASM-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Isdk/c -Ibuild/sdk/include -c $< -o $@

build/sdk/libweir_plugin.a: $(SDK_SRC:sdk/c/%.c=build/sdk/obj/%.o)
build/sdk/libweir_json.a: $(SDK_JSON_SRC:sdk/c/%.c=build/sdk/obj/%.o) $(JANSSON_OBJS)
$(SDK_CORE_LIBS): $(SDK_HEADERS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# What `weir new-plugin` copies: the template, and the SDK built natively for a plugin's tests.
SDK_TEMPLATE := $(patsubst sdk/c/%,build/sdk/%,$(wildcard sdk/c/template/*))
SDK_NATIVE := $(addprefix build/sdk/native/,fake_host.h plugin_test.h libweir_native.a libweir_crypto.a libweir_regex.a)

build/sdk/template/%: sdk/c/template/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

build/sdk/native/%.h: sdk/c/tests/%.h
	@mkdir -p $(@D)
	$(Q)cp $< $@

# From the release build only; the sanitizers' build has nothing of its own here.
ifneq ($(SAN),1)
build/sdk/native/libweir_native.a: build/guest/libsdk.a
build/sdk/native/libweir_crypto.a: build/guest/libcrypto.a
build/sdk/native/libweir_regex.a: build/guest/libregex.a
build/sdk/native/libweir_native.a build/sdk/native/libweir_crypto.a build/sdk/native/libweir_regex.a:
	@mkdir -p $(@D)
	$(Q)cp $< $@
ALL += $(SDK_NATIVE)
endif
ALL += $(SDK_TEMPLATE)

.PHONY: sdk
sdk: $(SDK_LIBS) $(SDK_TEMPLATE) $(SDK_NATIVE) ## the C SDK for plugins: build/sdk/include and four libraries

# ---- plugins: debug/NAME.wasm is what the linker made, NAME.wasm the same without DWARF, function names kept
PLUGINS := $(patsubst plugins/%/plugin.c,%,$(sort $(wildcard plugins/*/plugin.c)))
PLUGIN_MODULES := $(PLUGINS:%=build/plugins/%.wasm)
PLUGIN_COMMON := $(sort $(wildcard plugins/common/*.c))

build/plugins/obj/common/%.o: plugins/common/%.c $(wildcard plugins/common/*.h) $(SDK_LIBS)
	$(call say,WASM-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Ibuild/sdk/include -Iplugins/common -c $< -o $@

build/plugins/libcommon.a: $(PLUGIN_COMMON:plugins/common/%.c=build/plugins/obj/common/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# A plugin's files; plugin.c is the one each has.
plugin_src = $(sort $(wildcard plugins/$(1)/*.c))
$(foreach p,$(PLUGINS),$(eval build/plugins/debug/$(p).wasm: $(wildcard plugins/$(p)/*.[ch] plugins/$(p)/*.def)))
build/plugins/debug/%.wasm: plugins/%/plugin.c build/plugins/libcommon.a $(SDK_LIBS) mk/plugins.mk
	$(call say,WASM,$@)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Ibuild/sdk/include -Iplugins/common $(call plugin_src,$*) build/plugins/libcommon.a \
	  -Lbuild/sdk -lweir_json -lweir_crypto -lweir_regex -lweir_plugin $(WASM_LDFLAGS) -o $@

# The section external_debug_info names the file with the DWARF: a length and the name.
build/plugins/%.wasm: build/plugins/debug/%.wasm
	@printf "\\$$(printf %o $$(printf %s debug/$*.wasm | wc -c))debug/$*.wasm" >$@.link
	$(Q)llvm-objcopy-19 --strip-debug --add-section=external_debug_info=$@.link $< $@
	@rm -f $@.link

.PRECIOUS: build/plugins/debug/%.wasm
.PHONY: plugins
plugins: $(PLUGIN_MODULES) ## the plugins: build/plugins/NAME.wasm
ALL += $(PLUGIN_MODULES) $(SDK_LIBS)

# ---- native tests: sdk/c/tests and plugins/NAME/tests, against the fake host in sdk/c/tests/fake_host.c
GUEST_TESTS := $(patsubst %.c,$(B)/guest/%,$(sort $(wildcard sdk/c/tests/test_*.c plugins/*/tests/test_*.c)))
GUEST_CFLAGS := -std=c11 $(OPT) $(WARN) -Isdk/c -Isdk/c/tests -Iplugins/common
guest_objs = $(patsubst %.c,$(B)/guest/obj/%.o,$(1))

$(B)/guest/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c $< -o $@

$(B)/guest/libsdk.a: $(call guest_objs,$(SDK_SRC) $(SDK_JSON_SRC) sdk/c/tests/fake_host.c)
$(B)/guest/libcommon.a: $(call guest_objs,$(PLUGIN_COMMON))
$(B)/guest/libsdk.a $(B)/guest/libcommon.a:
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Cryptography and regular expressions are archives of their own (mk/sdk-crypto.mk, mk/sdk-regex.mk), linked where they are used.
GUEST_LIBS := $(B)/guest/libcommon.a $(B)/guest/libregex.a $(B)/guest/libsdk.a $(B)/guest/libcrypto.a
GUEST_LDLIBS := -ljansson -Wl,--as-needed -lstdc++

# A plugin's test is linked with its plugin.c; an SDK test brings its own callbacks.
GUEST_TEST_HEADERS := $(wildcard sdk/c/tests/*.h)
$(B)/guest/sdk/c/tests/test_%: sdk/c/tests/test_%.c $(GUEST_TEST_HEADERS) $(GUEST_LIBS)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $< $(GUEST_LIBS) $(LDFLAGS) $(GUEST_LDLIBS) -lcmocka -o $@

define PLUGIN_TEST_RULE
$(B)/guest/plugins/$(1)/tests/test_%: plugins/$(1)/tests/test_%.c $(wildcard plugins/$(1)/*.[ch] plugins/$(1)/*.def) $(GUEST_TEST_HEADERS) $(GUEST_LIBS)
	$$(call say,TEST,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(GUEST_CFLAGS) $$< $(call plugin_src,$(1)) $(GUEST_LIBS) $$(LDFLAGS) $(GUEST_LDLIBS) -lcmocka -o $$@
endef
$(foreach p,$(PLUGINS),$(eval $(call PLUGIN_TEST_RULE,$(p))))

# What plugins share is tested without a plugin.
$(B)/guest/plugins/common/tests/test_%: plugins/common/tests/test_%.c $(GUEST_TEST_HEADERS) $(GUEST_LIBS)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $< $(GUEST_LIBS) $(LDFLAGS) $(GUEST_LDLIBS) -lcmocka -o $@

-include $(shell find $(B)/guest/obj -name '*.d' 2>/dev/null)

# They run with the other unit tests.
test-unit: $(GUEST_TESTS)

# Fuzzing (mk/fuzz.mk) builds these with the SDK, or a plugin, in the place of the library.
FUZZ_GUEST = $(Q)$(CC) $(GUEST_CFLAGS) -Wno-missing-prototypes -fsanitize=fuzzer $(filter %.c %.a,$^) \
  $(LDFLAGS) $(GUEST_LDLIBS) -o $@

FUZZ_GUEST_SHARED := $(addprefix $(B)/fuzz_,resp jwt sdk_helpers)
$(FUZZ_GUEST_SHARED): $(B)/fuzz_%: tests/fuzz/fuzz_%.c $(GUEST_LIBS)
	$(call say,FUZZ,$<)
	$(FUZZ_GUEST)

# fuzz_KEY_AUTH of plugin KEY-AUTH.
define PLUGIN_FUZZ_RULE
$(B)/fuzz_$(subst -,_,$(1)): tests/fuzz/fuzz_$(subst -,_,$(1)).c $(call plugin_src,$(1)) $(GUEST_LIBS)
	$$(call say,FUZZ,$$<)
	$$(FUZZ_GUEST)
endef
$(foreach p,$(PLUGINS),$(eval $(call PLUGIN_FUZZ_RULE,$(p))))
