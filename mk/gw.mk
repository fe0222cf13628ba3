# What tests of src/gw need besides the libraries.
FUZZ_LIBS_config := -lyaml -lpcre2-8 -lcrypto
FUZZ_ARGS_config := -dict=tests/fuzz/config.dict -max_len=8192
FUZZ_LIBS_rewrite := -lyaml -lpcre2-8 -lcrypto
FUZZ_ARGS_rewrite := -max_len=512
