# weirc, the ahead-of-time compiler: LLVM 19's C API, its shared library; lld runs as a program.
LLVM_CONFIG := llvm-config-19
CFLAGS_weirc := -isystem $(shell $(LLVM_CONFIG) --includedir)
WEIRC := $(B)/weirc

# The build id that images carry: a new one whenever what decides about compiled code changes.
COMPILER_ID := $(B)/gen/weir_compiler_id.h
COMPILER_SRC := $(sort $(wildcard src/weirc/*.[ch])) src/wasm/opcodes.def include/weir/vmctx.h include/weir/image.h src/base/cpu.h
$(COMPILER_ID): $(COMPILER_SRC) mk/weirc.mk
	@mkdir -p $(@D)
	$(Q)printf '#define WEIR_COMPILER_ID "weirc-%s-llvm%s"\n' \
	  "$$(cat $(COMPILER_SRC) | sha256sum | cut -c1-16)" "$$($(LLVM_CONFIG) --version)" > $@

$(B)/obj/weirc/%.o $(B)/obj/aot/%.o: CPPFLAGS += -I$(B)/gen
$(call objs,weirc aot): | $(COMPILER_ID)
$(B)/obj/weirc/image.o $(B)/obj/weirc/main.o $(call objs,aot): $(COMPILER_ID)

$(WEIRC): $(call objs,weirc base wasm)
	$(call say,LD,$@)
	$(Q)$(CC) $^ $(LDFLAGS) -L$(shell $(LLVM_CONFIG) --libdir) -lLLVM-19 -o $@

ALL += $(WEIRC)
.PHONY: weirc
weirc: $(WEIRC) ## the ahead-of-time compiler
# The tests of src/aot compile modules.
$(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/aot/*.c)): $(WEIRC)
