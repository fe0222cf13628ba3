# weir: the control process and command line.  A verb that needs another library adds it to CLI_LIBS.
WEIR := $(B)/weir
CLI_LIBS += -lyaml -ljansson -lcurl -lpcre2-8 $(FOREIGN_LIBS) -lm

$(WEIR): $(call objs,cli) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(call objs,cli) $(LIBCONTROL) $(LIBFETCH) $(LIBFOREIGN) $(LIBGW) $(LIBWEIR) $(LDFLAGS) $(CLI_LIBS) -o $@

ALL += $(WEIR)
