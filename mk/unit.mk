# Unit tests: tests/unit/FOLDER/test_NAME.c mirrors src/FOLDER/NAME.c; each is one cmocka program.
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)

$(B)/tests/unit/%: tests/unit/%.c $(LIBCONTROL) $(LIBFETCH) $(LIBGW) $(LIBWEIR)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -MF $@.d $< $(LIBCONTROL) $(LIBFETCH) $(LIBGW) $(LIBWEIR) $(LDFLAGS) -lcmocka -lyaml -lpcre2-8 -lcrypto -ljansson -lm -o $@

-include $(shell find $(B)/tests -name '*.d' 2>/dev/null)

.PHONY: test-unit
test-unit: $(UNIT_BIN) ## unit tests (cmocka)
	@for t in $^; do $$t || exit 1; done
