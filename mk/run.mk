# `make run`: the demo.  EXAMPLE=examples/oauth/gateway.yaml serves another one.
EXAMPLE ?= examples/gateway.yaml
.PHONY: run
run: deps ## install what is missing, build, and serve examples/gateway.yaml, or EXAMPLE=, on 127.0.0.1:10000
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) --silent $(WEIR) $(WEIRC) $(NGINX_MODULE) $(PLUGIN_MODULES)
	$(Q)tools/run-demo $(B) $(EXAMPLE)
