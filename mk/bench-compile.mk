# Compile times: modules of three sizes from Debian's sources, and what weirc takes for them.
PACKAGES_BENCH := libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 tcl
BENCH_MODULES := $(patsubst %,build/bench/compile/%.wasm,plugin sqlite libraries)
BENCH_CC := clang-19 --target=wasm32-wasi -mbulk-memory -DNDEBUG -w -D_WASI_EMULATED_PROCESS_CLOCKS
BENCH_LD := -mexec-model=reactor -Wl,--strip-all -lwasi-emulated-process-clocks

SQLITE := build/third_party/sqlite3
DUKTAPE := build/third_party/duktape
ZSTD := build/third_party/libzstd
SHA256_sqlite3 := aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655
SHA256_duktape := 90f8d2fa8b5567c6899830ddef2c03f3c27960b11aca222fa17aa7ac613c2890
SHA256_libzstd := 8cf4bbb65e77ec348d052c8d6230eba66d435bddf64c8b5be2fcb16880c19953
SQLITE_FLAGS := -Os -DSQLITE_OS_OTHER=1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -I$(SQLITE)/build

build/third_party/sqlite3/.fetched build/third_party/duktape/.fetched build/third_party/libzstd/.fetched: build/third_party/%/.fetched: mk/fetch-source.sh
	$(call say,FETCH,$*)
	$(Q)mk/fetch-source.sh $* $(SHA256_$*) $(@D)
	@touch $@

# All of SQLite as one file, which its own makefile writes.
$(SQLITE)/build/sqlite3.c: $(SQLITE)/.fetched
	@mkdir -p $(@D)
	$(Q)$(MAKE) -s -C $(@D) -f ../main.mk TOP=.. BCC=clang-19 TCCX=clang-19 NAWK=awk EXE= sqlite3.c >$(@D)/make.log 2>&1

build/bench/compile/plugin.wasm: bench/compile/plugin.cc mk/bench-compile.mk
	@mkdir -p $(@D)
	$(Q)$(subst clang-19,clang++-19,$(BENCH_CC)) -O2 -fno-exceptions $< $(BENCH_LD) -o $@

build/bench/compile/sqlite.wasm: bench/compile/sqlite.c $(SQLITE)/build/sqlite3.c mk/bench-compile.mk
	@mkdir -p $(@D)
	$(Q)$(BENCH_CC) $(SQLITE_FLAGS) $(filter %.c,$^) $(BENCH_LD) -o $@

build/bench/compile/libraries.wasm: bench/compile/libraries.c bench/compile/sqlite.c $(SQLITE)/build/sqlite3.c \
  $(DUKTAPE)/.fetched $(ZSTD)/.fetched mk/bench-compile.mk
	@mkdir -p $(@D)
	$(Q)$(BENCH_CC) $(SQLITE_FLAGS) -O2 -c $(DUKTAPE)/src/duktape.c -Ibench/compile/include -o $(@D)/duktape.o
	$(Q)$(BENCH_CC) $(SQLITE_FLAGS) -Ibench/compile/include -I$(DUKTAPE)/src -I$(ZSTD)/lib -DZSTD_DISABLE_ASM \
	  $(filter %.c,$^) $(@D)/duktape.o $(ZSTD)/lib/common/*.c $(ZSTD)/lib/compress/*.c $(ZSTD)/lib/decompress/*.c $(BENCH_LD) -o $@

.PHONY: bench-compile
bench-compile: $(WEIRC) ## how long weirc takes: a C++ plugin, SQLite, a module of 1.6 MB
	$(Q)tools/install-deps $(PACKAGES_BENCH)
	+$(Q)$(MAKE) --no-print-directory $(BENCH_MODULES)
	$(Q)$(PYTHON) bench/compile/run.py $(BENCH_FLAGS)
