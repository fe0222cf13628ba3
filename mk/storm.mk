# Storms: long, by hand.  STORM_FLAGS are chain_storm.py's or change_storm.py's; WEIR_BUILD=build/san runs the sanitizer build.
.PHONY: storm storm-changes
storm: $(ALL) ## 100,000 requests through three plugins that pause at random; every byte and counter checked
	$(Q)cd tests/e2e && $(PYTHON) chain_storm.py $(STORM_FLAGS)

storm-changes: $(ALL) ## 1,000 changes of the configuration under load, then with a broken plugin in every tenth
	$(Q)cd tests/e2e && $(PYTHON) change_storm.py $(STORM_FLAGS)

.PHONY: storm-day
storm-day: $(ALL) build/guests/trapper.wasm ## 24 hours in 20 minutes: load, traps, deadlines, updates, Redis restarts, killed workers (DAY_FLAGS="--minutes 20")
	$(Q)cd tests/e2e && $(PYTHON) day_storm.py $(DAY_FLAGS)
