# Objects of src/, the libraries, and the rule for a C file.
# $(call objs,FOLDERS): the objects of every .c in src/FOLDER.
objs = $(foreach d,$(1),$(patsubst src/%.c,$(B)/obj/%.o,$(sort $(wildcard src/$(d)/*.c))))

$(B)/obj/%.o: src/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(word 1,$(subst /, ,$*))) -MMD -MP -MJ $@.json -c $< -o $@

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# libweir: the engine and the Proxy-Wasm host, libc only.
LIBWEIR := $(B)/libweir.a
$(LIBWEIR): $(call objs,base os wasm rt interp aot engine wasi pw)
# libgw: the gateway's model, what watches it, and what services answer.
LIBGW := $(B)/libgw.a
$(LIBGW): $(call objs,gw observe http redis)

# libcontrol: the control process, for `weir` alone.
LIBCONTROL := $(B)/libcontrol.a
$(LIBCONTROL): $(call objs,control)

# libfetch: modules over the network, for `weir` alone.
LIBFETCH := $(B)/libfetch.a
$(LIBFETCH): $(call objs,fetch)

# libforeign: foreign functions that need zlib or libcrypto, for the servers that link them.
LIBFOREIGN := $(B)/libforeign.a
FOREIGN_LIBS := -lz -lcrypto
$(LIBFOREIGN): $(call objs,foreign)

$(LIBWEIR) $(LIBGW) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN):
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

ALL += $(LIBWEIR) $(LIBGW) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN)
