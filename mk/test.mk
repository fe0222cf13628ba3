# `make test`: install what is missing, build both variants, run every suite.  SUITES="unit spec" picks some.
.PHONY: test
test: deps-test ## install what is missing, build, run every test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all SAN=1
	$(Q)$(PYTHON) tests/run.py $(SUITES)
