# The differential fuzzer: generated modules, interpreter against compiled code.
DIFF_SECONDS ?= 600
DIFF_FLAGS ?=

$(B)/tests/diff: $(wildcard tests/diff/*.[ch]) $(LIBWEIR)
	$(call say,TEST,tests/diff)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(filter %.c,$^) $(LIBWEIR) $(LDFLAGS) -lm -ldl -o $@

.PHONY: fuzz-diff
fuzz-diff: $(B)/tests/diff $(B)/weirc ## generated modules: interpreter against compiled code (DIFF_SECONDS=600)
	$(Q)$(B)/tests/diff --seconds $(DIFF_SECONDS) --weirc $(B)/weirc --keep $(B)/diff --corpus tests/diff/corpus $(DIFF_FLAGS)

.PHONY: fuzz-diff-aarch64
fuzz-diff-aarch64: $(B)/weirc ## the same for aarch64, below qemu-user (DIFF_SECONDS=600)
	+$(Q)MAKE='$(MAKE)' tests/diff/aarch64.sh $(B)/weirc $(DIFF_SECONDS)
