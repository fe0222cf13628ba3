# `make run`: the demo.
.PHONY: run
run: deps ## install what is missing, build, and serve examples/gateway.yaml on 127.0.0.1:10000
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) --silent $(WEIR) $(WEIRC) $(NGINX_MODULE) build/plugins/key-auth.wasm
	$(Q)tools/run-demo $(B)
