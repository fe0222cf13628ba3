# Guests of the tests: tests/guests/host/NAME.c becomes build/guests/host/NAME.wasm, and those in HOST_GUESTS_EVERY_ABI one
# module per ABI, build/guests/host/NAME-0_2_1.wasm.  No libc: each makes exactly the host calls it shows.
# What C cannot say is in NAME.wat.
HOST_GUEST_SRC := $(sort $(wildcard tests/guests/host/*.c))
HOST_GUEST_ABIS := 0_1_0 0_2_0 0_2_1 0_2_100
HOST_GUESTS_EVERY_ABI := probe probe_body
HOST_GUEST_BIN := $(patsubst tests/guests/host/%.c,build/guests/host/%.wasm,$(HOST_GUEST_SRC)) \
    $(patsubst tests/guests/host/%.wat,build/guests/host/%.wasm,$(sort $(wildcard tests/guests/host/*.wat))) \
    $(foreach g,$(HOST_GUESTS_EVERY_ABI),$(HOST_GUEST_ABIS:%=build/guests/host/$(g)-%.wasm))
HOST_GUEST_CC := clang-19 --target=wasm32 -std=c11 -O1 -Wall -Wextra -Werror -mbulk-memory -fno-builtin -nostdlib \
    -Wl,--no-entry -Wl,-z,stack-size=65536

define GUEST_ABI_RULE
build/guests/host/%-$(1).wasm: tests/guests/host/%.c $(wildcard tests/guests/host/*.h)
	$$(call say,GUEST,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_GUEST_CC) -DGUEST_MARKER=proxy_abi_version_$(1) $$< -o $$@
endef
$(foreach abi,$(HOST_GUEST_ABIS),$(eval $(call GUEST_ABI_RULE,$(abi))))

build/guests/host/%.wasm: tests/guests/host/%.c $(wildcard tests/guests/host/*.h)
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_GUEST_CC) $< -o $@

build/guests/host/%.wasm: tests/guests/host/%.wat
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)wat2wasm --enable-multi-memory $< -o $@

.PHONY: guests
guests: $(HOST_GUEST_BIN) ## the WebAssembly modules the tests run
ALL += $(HOST_GUEST_BIN)
$(B)/tests/unit/pw/test_stream: $(HOST_GUEST_BIN)
$(filter build/guests/host/probe_body%,$(HOST_GUEST_BIN)) build/guests/host/probe_tcp.wasm: tests/guests/host/probe.c
