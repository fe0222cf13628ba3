# Storms: long, by hand.  STORM_FLAGS are those of the script; WEIR_BUILD=build/san runs the sanitizer build.
.PHONY: storm storm-changes storm-leak storm-deadlines
storm: $(ALL) ## 100,000 requests through three plugins that pause at random; every byte and counter checked
	$(Q)cd tests/e2e && $(PYTHON) chain_storm.py $(STORM_FLAGS)

storm-changes: $(ALL) ## 1,000 changes of the configuration under load, then with a broken plugin in every tenth
	$(Q)cd tests/e2e && $(PYTHON) change_storm.py $(STORM_FLAGS)

.PHONY: storm-day
storm-day: $(ALL) build/guests/trapper.wasm ## 24 hours in 20 minutes: load, traps, deadlines, updates, Redis restarts, killed workers (DAY_FLAGS="--minutes 20")
	$(Q)cd tests/e2e && $(PYTHON) day_storm.py $(DAY_FLAGS)

storm-leak: $(ALL) guests ## ten minutes of plugins that leak 1 MiB a request, then a version that does not (STORM_FLAGS="--minutes 10")
	$(Q)cd tests/e2e && $(PYTHON) leak_storm.py $(STORM_FLAGS)

storm-deadlines: $(ALL) build/guests/trapper.wasm ## 10,000 requests whose plugin loops for ever, on each tier: what each takes, how long others wait
	$(Q)cd tests/e2e && $(PYTHON) deadline_storm.py $(STORM_FLAGS)
