# Debian packages.  `make run` and `make test` install what is missing, by name, before anything else.
# PACKAGES_BUILD: to build and run.  PACKAGES_TEST: what the tests and benches need besides.
PACKAGES_BUILD := clang-19 lld-19 llvm-19 llvm-19-dev libclang-rt-19-dev libclang-rt-19-dev-wasm32 wasi-libc libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 \
  nginx libnginx-mod-stream nginx-dev libyaml-dev libjansson-dev libpcre2-dev libhiredis-dev libnghttp2-dev libssl-dev zlib1g-dev libcurl4-openssl-dev \
  python3 python3-six unicode-data curl patch xz-utils redis-server
PACKAGES_TEST := libcmocka-dev python3-pytest python3-h2 python3-grpcio python3-websockets python3-jsonschema python3-yaml \
  python3-prometheus-client openssl docker-registry wrk nghttp2-client wabt clang-format-19 clang-tidy-19 qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross

.PHONY: deps deps-test
deps: ## install the Debian packages that building and running need
	$(Q)tools/install-deps $(PACKAGES_BUILD)
deps-test: ## install those that the tests need as well
	$(Q)tools/install-deps $(PACKAGES_BUILD) $(PACKAGES_TEST) --command npm nodejs npm
