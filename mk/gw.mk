# What tests of src/gw need besides the libraries.
FUZZ_LIBS_config := -lyaml -lpcre2-8 -lcrypto
FUZZ_LIBS_pieces := $(FUZZ_LIBS_config)
FUZZ_ARGS_config := -dict=tests/fuzz/config.dict -max_len=8192
FUZZ_LIBS_rewrite := -lyaml -lpcre2-8 -lcrypto
FUZZ_ARGS_rewrite := -max_len=512
FUZZ_ARGS_pieces := $(FUZZ_ARGS_config)
