# The SDK's add-on library libweir_crypto.a: sdk/c/crypto over Mbed TLS and, for Ed25519, libsodium, both from
# Debian's source.  The same objects, built natively, are in the guests' native library.
MBEDTLS := build/third_party/mbedtls
MBEDTLS_SHA256 := 3b4953aa55a681e084d31892d9904cc5328d6b4958ea57b90ae4b4f94ae69a8d
MBEDTLS_NAMES := asn1parse asn1write bignum constant_time ecdsa ecp ecp_curves md md5 oid rsa rsa_internal sha1 sha256 sha512
SODIUM := build/third_party/libsodium
SODIUM_SHA256 := d59323c6b712a1519a5daf710b68f5e7fde57040845ffec53850911f10a5d4f4
SODIUM_SRC := $(SODIUM)/src/libsodium
SODIUM_NAMES := crypto_core/ed25519/ref10/ed25519_ref10 crypto_sign/ed25519/ref10/open crypto_sign/ed25519/ref10/sign \
  crypto_hash/sha512/cp/hash_sha512_cp crypto_verify/sodium/verify

CRYPTO_FLAGS := -isystem $(MBEDTLS)/include -DMBEDTLS_CONFIG_FILE='<$(CURDIR)/sdk/c/crypto/mbedtls_config.h>'
# Warnings are their authors' business; arithmetic on negative shifts is meant.
MBEDTLS_CFLAGS := -std=c99 -w -DMBEDTLS_CONFIG_FILE='<$(CURDIR)/sdk/c/crypto/mbedtls_config.h>' -I$(MBEDTLS)/include
SODIUM_CFLAGS := -std=c99 -w -DNATIVE_LITTLE_ENDIAN=1 -DDEV_MODE=1 -I$(SODIUM_SRC)/include/sodium \
  -I$(SODIUM_SRC)/include -I$(SODIUM_SRC)/crypto_sign/ed25519/ref10
THIRD_WASM_CC = $(WASM_CC) -O2 -g -mbulk-memory -ffile-prefix-map=$(CURDIR)=. $(GUEST_FLAGS_$*)
THIRD_NATIVE_CC = $(CC) $(OPT) -fno-sanitize=shift
# All rounds in a row, so that the message schedule is locals instead of an array in linear memory, where each
# access computes its address: a sixth of SHA-256's time in a guest, a tenth natively (ADR 0039).
UNROLLED := -mllvm -unroll-threshold=20000
THIRD_FLAGS_sha256 := $(UNROLLED)
THIRD_FLAGS_sha512 := $(UNROLLED)
# clang else counts one index up for all arrays of a loop, and each access computes its address by additions where a
# load or store with a constant offset needs none (ADR 0076).
GUEST_FLAGS_bignum := -mllvm -disable-lsr

$(MBEDTLS)/.fetched: mk/fetch-source.sh
	$(call say,FETCH,mbedtls)
	$(Q)mk/fetch-source.sh mbedtls $(MBEDTLS_SHA256) $(MBEDTLS)
	@touch $@

$(SODIUM)/.fetched: mk/fetch-source.sh
	$(call say,FETCH,libsodium)
	$(Q)mk/fetch-source.sh libsodium $(SODIUM_SHA256) $(SODIUM)
	@sed 's/@[A-Z_]*@/1/' $(SODIUM_SRC)/include/sodium/version.h.in >$(SODIUM_SRC)/include/sodium/version.h
	@touch $@

# $(1): where objects go, $(2): the compiler.
define THIRD_RULES
$(1)/mbedtls/%.o: $(MBEDTLS)/.fetched sdk/c/crypto/mbedtls_config.h mk/sdk-crypto.mk
	@mkdir -p $$(@D)
	$$(Q)$$($(2)) $$(MBEDTLS_CFLAGS) $$(THIRD_FLAGS_$$*) -c $(MBEDTLS)/library/$$*.c -o $$@
$(1)/sodium/%.o: $(SODIUM)/.fetched
	@mkdir -p $$(@D)
	$$(Q)$$($(2)) $$(SODIUM_CFLAGS) -c $(SODIUM_SRC)/$$*.c -o $$@
endef
$(eval $(call THIRD_RULES,build/sdk/obj,THIRD_WASM_CC))
$(eval $(call THIRD_RULES,$(B)/guest/obj/third,THIRD_NATIVE_CC))

CRYPTO_SRC := $(sort $(wildcard sdk/c/crypto/*.c))
CRYPTO_LIB := build/sdk/libweir_crypto.a

build/sdk/obj/crypto/%.o: sdk/c/crypto/%.c $(wildcard sdk/c/*.h sdk/c/crypto/*.h) $(MBEDTLS)/.fetched
	$(call say,WASM-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) $(CRYPTO_FLAGS) -Isdk/c -c $< -o $@

$(CRYPTO_LIB): $(CRYPTO_SRC:sdk/c/%.c=build/sdk/obj/%.o) $(MBEDTLS_NAMES:%=build/sdk/obj/mbedtls/%.o) \
    $(SODIUM_NAMES:%=build/sdk/obj/sodium/%.o) build/sdk/include/weir_crypto.h
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(B)/guest/obj/sdk/c/crypto/%.o: sdk/c/crypto/%.c $(MBEDTLS)/.fetched
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(CRYPTO_FLAGS) -MMD -MP -c $< -o $@

$(B)/guest/libcrypto.a: $(CRYPTO_SRC:%.c=$(B)/guest/obj/%.o) $(MBEDTLS_NAMES:%=$(B)/guest/obj/third/mbedtls/%.o) \
    $(SODIUM_NAMES:%=$(B)/guest/obj/third/sodium/%.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
