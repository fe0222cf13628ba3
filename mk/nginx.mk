# ngx_http_weir_module.so, with the stream module in it: built against Debian's nginx-dev, with the configuration Debian's nginx has, so that
# nginx accepts the binary.  nginx's configure only writes ngx_auto_config.h here; it wants to run in its own
# tree, so it gets one of links.
NGINX := /usr/sbin/nginx
NGINX_SRC := /usr/share/nginx/src
NGINX_CONFIG := $(B)/nginx/objs/ngx_auto_config.h
NGINX_MODULE := $(B)/ngx_http_weir_module.so
NGINX_INC := $(foreach d,core event event/modules os/unix http http/modules http/v2 stream,-isystem $(NGINX_SRC)/src/$(d)) \
  -isystem $(B)/nginx/objs

CFLAGS_nginx := $(NGINX_INC) -Wno-unused-parameter

$(NGINX_CONFIG): mk/nginx.mk $(NGINX_SRC)/conf_flags
	$(call say,CONF,$@)
	@rm -rf $(B)/nginx && mkdir -p $(B)/nginx
	@ln -s $(NGINX_SRC)/auto $(NGINX_SRC)/src $(B)/nginx/ && cp $(NGINX_SRC)/configure $(B)/nginx/
	$(Q)cd $(B)/nginx && bash -c '. $(NGINX_SRC)/conf_flags && \
	  sh ./configure --with-cc=$(CC) --with-cc-opt="-O2 -fPIC" "$${NGX_CONF_FLAGS[@]}" --builddir=objs' \
	  > configure.log 2>&1 || { cat configure.log; rm -f objs/ngx_auto_config.h; exit 1; }
	@touch $@

$(call objs,nginx): $(NGINX_CONFIG)

# nginx itself has no sanitizer: the module brings the shared runtime, which `weir run` preloads.
ifeq ($(SAN),1)
NGINX_LDSAN := -shared-libsan
endif

# nodelete: nginx unloads modules when a worker ends, and a signal handler of ours may still be called then.
$(NGINX_MODULE): $(call objs,nginx) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -shared $(NGINX_LDSAN) $(call objs,nginx) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR) $(LDFLAGS) \
	  -Wl,--exclude-libs,ALL -Wl,-z,now -Wl,-z,nodelete -lyaml -lpcre2-8 -lnghttp2 -lhiredis $(FOREIGN_LIBS) -lm -o $@

ALL += $(NGINX_MODULE)

ASAN_RUNTIME := $(shell $(CC) -print-file-name=libclang_rt.asan-$(shell uname -m).so)
CFLAGS_cli += $(if $(filter 1,$(SAN)),-DWEIR_ASAN_RUNTIME='"$(ASAN_RUNTIME)"')
