# Weir's front door.  `make help` lists what there is; the rules live in mk/.
#
# Non-recursive: every mk/*.mk is included into this one make.  Objects and programs land in
# build/ (release) or build/san/ (SAN=1: AddressSanitizer and UndefinedBehaviorSanitizer).
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

SAN ?= 0
V ?= 0

include mk/flags.mk
include mk/lib.mk
# Benchmarks last: their prerequisites are variables of the others.
BENCH_MK := $(sort $(wildcard mk/bench-*.mk))
include $(filter-out mk/flags.mk mk/lib.mk $(BENCH_MK),$(sort $(wildcard mk/*.mk))) $(BENCH_MK)

.PHONY: all
all: $(ALL) ## build everything: weir, weirc, the nginx module, the plugins

.PHONY: clean
clean: ## remove what was built (build/)
	rm -rf build

.PHONY: help
help: ## this list
	@grep -hE '^[a-z][a-z0-9-]*:.*##' $(MAKEFILE_LIST) | sort | \
	  awk -F':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'
