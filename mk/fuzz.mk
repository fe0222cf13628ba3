# Fuzzing: every tests/fuzz/fuzz_NAME.c is a libFuzzer program over the library, built with sanitizers in
# build/fuzz and run for FUZZ_SECONDS.  Seeds and old findings are in tests/fuzz/corpus/NAME/.
# FUZZ_LIBS_NAME: further libraries of one target; FUZZ_ARGS_NAME: further arguments for its run.
FUZZ_SECONDS ?= 60
FUZZ_BUILD := build/fuzz
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SAN := address,undefined
FUZZ_LIBS_fetch_words := -ljansson -lcrypto
FUZZ_LIBS_fetch_manifest := -ljansson
FUZZ_LIBS_fetch_tar := -lz
FUZZ_LIBS_alert := -ljansson -lyaml -lpcre2-8 -lcrypto

# The variables on the command line go over those of mk/flags.mk.
FUZZ_MAKE = $(MAKE) --no-print-directory B=$(FUZZ_BUILD) LDSAN=-fsanitize=$(FUZZ_SAN) \
  OPT='-O1 -g -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -fno-sanitize-recover=undefined'

.PHONY: fuzz fuzz-build
fuzz: fuzz-build ## run every fuzz target for FUZZ_SECONDS (60)
	$(Q)$(foreach t,$(FUZZ_TARGETS),FUZZ_ARGS_$(t)='$(FUZZ_ARGS_$(t))') \
	  tests/fuzz/run.sh $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-build:
	+$(Q)$(FUZZ_MAKE) $(FUZZ_TARGETS:%=$(FUZZ_BUILD)/fuzz_%)

$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(LIBFETCH) $(LIBGW) $(LIBWEIR)
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Itests -Wno-missing-prototypes -fsanitize=fuzzer $< $(LIBFETCH) $(LIBGW) $(LIBWEIR) $(LDFLAGS) $(FUZZ_LIBS_$*) -lm -o $@

# Host calls: the guest that makes them, and the fake server they are made to.
FUZZ_HOST_CALLS_OBJS := $(patsubst %,$(B)/obj/cli/%.o,fake_server fake_calls fake_grpc fake_connection)
FUZZ_LIBS_host_calls = $(FUZZ_HOST_CALLS_OBJS) $(LIBFOREIGN) $(LIBWEIR) $(FOREIGN_LIBS)
$(FUZZ_BUILD)/fuzz_host_calls: $(FUZZ_HOST_CALLS_OBJS) $(LIBFOREIGN) build/guests/fuzz/host_calls.wasm
build/guests/fuzz/%.wasm: tests/guests/fuzz/%.c src/pw/abi.def
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_GUEST_CC) -Wno-unused-parameter $< -o $@

# Requests with mutated headers through a real gateway, at each plugin for FUZZ_SECONDS; FUZZ_PLUGINS and FUZZ_SEED pick some.
.PHONY: fuzz-headers
fuzz-headers: $(ALL) ## mutated headers through the gateway, each plugin for FUZZ_SECONDS (60)
	$(Q)cd tests/e2e && $(PYTHON) header_fuzz.py --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) $(FUZZ_PLUGINS)
