# The SDK's add-on library libweir_regex.a: sdk/c/regex over RE2, from Debian's source.  In the module's library
# RE2, and what it needs of LLVM's C++ library, are one object already: plugins link it like C, and need no C++
# package.  sdk/c/regex/util has two of RE2's headers anew, for a guest's sake; the native build uses them too.
RE2 := build/third_party/re2
RE2_SHA256 := 3bc61251da3b0b97be40a8a127818c517c62516e4eda11fc901d29496663df54
RE2_NAMES := $(addprefix re2/,bitstate compile dfa nfa onepass parse perl_groups prog re2 regexp set simplify \
  stringpiece tostring unicode_casefold unicode_groups) util/rune util/strutil
REGEX_LIB := build/sdk/libweir_regex.a

RE2_CXXFLAGS := -std=c++17 -w -gline-tables-only -DNDEBUG -fno-exceptions -fno-rtti -Isdk/c/regex -I$(RE2)
REGEX_CXXFLAGS := -std=c++17 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -Isdk/c -Isdk/c/regex -isystem $(RE2)
REGEX_WASM_CXX := clang++-19 --target=wasm32-wasi -O2 -g -mbulk-memory -ffile-prefix-map=$(CURDIR)=.
# The SDK's formatter keeps stdio out of the module.
RE2_WASM_CXX = $(REGEX_WASM_CXX) -Dsnprintf=wp_snprintf -Dvsnprintf=wp_vsnprintf
# RE2 was written without the sanitizers of undefined behaviour in mind; addresses are checked.
REGEX_NATIVE_CXX = clang++-19 $(OPT) -fno-sanitize=undefined
WASM_LIBDIR := /usr/lib/wasm32-wasi

# Debian leaves out what its build makes from Unicode's and Perl's tables; so does ours.
$(RE2)/.fetched: mk/fetch-source.sh
	$(call say,FETCH,re2)
	$(Q)mk/fetch-source.sh re2 $(RE2_SHA256) $(RE2)
	$(Q)cd $(RE2) && perl re2/make_perl_groups.pl >re2/perl_groups.cc && \
	  $(PYTHON) re2/make_unicode_casefold.py >re2/unicode_casefold.cc && \
	  $(PYTHON) re2/make_unicode_groups.py >re2/unicode_groups.cc
	@touch $@

# $(1): where objects go, $(2): the compiler.
define RE2_RULES
$(1)/re2/%.o: $(RE2)/.fetched $(wildcard sdk/c/regex/util/*.h) mk/sdk-regex.mk
	@mkdir -p $$(@D)
	$$(Q)$$($(2)) $$(RE2_CXXFLAGS) -c $(RE2)/$$*.cc -o $$@
endef
$(eval $(call RE2_RULES,build/sdk/obj,RE2_WASM_CXX))
$(eval $(call RE2_RULES,$(B)/guest/obj/third,REGEX_NATIVE_CXX))

build/sdk/obj/regex.o: sdk/c/regex/regex.cc $(wildcard sdk/c/*.h) $(RE2)/.fetched
	$(call say,WASM-CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(REGEX_WASM_CXX) $(REGEX_CXXFLAGS) -c $< -o $@

build/sdk/obj/weir_regex.o: build/sdk/obj/regex.o $(RE2_NAMES:%=build/sdk/obj/re2/%.o)
	$(Q)wasm-ld-19 -r $^ -L$(WASM_LIBDIR) -lc++ -lc++abi -o $@

$(REGEX_LIB): build/sdk/obj/weir_regex.o build/sdk/include/weir_regex.h
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $<

$(B)/guest/obj/regex.o: sdk/c/regex/regex.cc $(wildcard sdk/c/*.h) $(RE2)/.fetched
	@mkdir -p $(@D)
	$(Q)$(REGEX_NATIVE_CXX) $(REGEX_CXXFLAGS) -c $< -o $@

$(B)/guest/libregex.a: $(B)/guest/obj/regex.o $(RE2_NAMES:%=$(B)/guest/obj/third/re2/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
