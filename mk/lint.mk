# Style: the checks of tools/lint.py and clang-tidy.
.PHONY: lint docs format tidy
lint: ## layers, sizes, formatting, headers that compile alone
	$(Q)$(PYTHON) tools/lint.py
docs: ## write docs/proxy-wasm.md from the tables in the code
	$(Q)$(PYTHON) tools/proxy-wasm-docs.py
format: ## reformat every C file
	$(Q)$(PYTHON) tools/lint.py --fix
tidy: compile_commands.json ## clang-tidy over src/ (slow)
	$(Q)run-clang-tidy-19 -quiet -p . 'src/(base|os|wasm|rt|interp|aot|engine|wasi|pw|gw|observe|cli|weirc)/' 2>/dev/null

# For editors and clang-tidy: the fragments that clang's -MJ leaves beside the objects.
compile_commands.json: $(LIBWEIR) $(LIBGW)
	$(call say,GEN,$@)
	$(Q){ echo '['; find $(B)/obj -name '*.o.json' -exec cat {} + | sed '$$ s/,$$//'; echo ']'; } > $@
ALL += compile_commands.json
