# Modules for the tests: build/guests/NAME.wasm from tests/guests/NAME.c (with the SDK, DWARF kept) and
# build/guests/as-NAME.wasm from AssemblyScript.  Included after plugins.mk, which has the variables.
GUESTS := $(patsubst tests/guests/%.c,build/guests/%.wasm,$(sort $(wildcard tests/guests/*.c)))

$(GUESTS): build/guests/%.wasm: tests/guests/%.c $(SDK_LIBS) mk/test-guests.mk
	$(call say,WASM,$@)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -Ibuild/sdk/include $< -Lbuild/sdk -lweir_plugin $(WASM_LDFLAGS) -o $@

# An access through a null pointer is a trap.
build/guests/trapper.wasm: private WASM_CFLAGS += -fsanitize=null -fsanitize-trap=null

# npm works in a copy: node_modules is under build/.  The tests skip what needs .installed if npm fails.
AS_SRC := tests/guests/assemblyscript
AS_BUILD := build/guests/assemblyscript

$(AS_BUILD)/.installed: $(AS_SRC)/package.json $(AS_SRC)/package-lock.json
	$(call say,NPM,$(AS_SRC))
	@mkdir -p $(@D)
	$(Q)cp $^ $(@D) && cd $(@D) && npm ci --no-audit --no-fund --silent
	@touch $@

AS_GUESTS := $(addprefix build/guests/as-,headers.wasm body.wasm callout.wasm shared.wasm tick.wasm)

$(AS_GUESTS): build/guests/as-%.wasm: $(AS_BUILD)/.installed $(wildcard $(AS_SRC)/assembly/*)
	$(call say,ASC,$@)
	$(Q)mkdir -p $(AS_BUILD)/assembly && cp $(AS_SRC)/assembly/* $(AS_BUILD)/assembly
	$(Q)cd $(AS_BUILD) && node_modules/.bin/asc assembly/$*.ts -b ../as-$*.wasm \
	  --use abort=abort_proc_exit --optimize --debug

.PHONY: guests
guests: $(GUESTS) $(AS_GUESTS)
