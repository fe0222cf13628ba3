# Compiler and flags.  The interpreter needs clang's musttail and preserve_none; all C is built by one compiler.
CC := clang-19
AR := llvm-ar-19
PYTHON := /usr/bin/python3

ifeq ($(SAN),1)
B := build/san
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDSAN := -fsanitize=address,undefined
else
B := build
OPT := -O2 -g
LDSAN :=
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
CPPFLAGS := -Iinclude -Isrc -D_GNU_SOURCE
CFLAGS := -std=c11 $(OPT) $(WARN) -fPIC -fno-omit-frame-pointer -fvisibility=hidden -fno-strict-aliasing
LDFLAGS := $(LDSAN) -fuse-ld=lld

ifeq ($(V),1)
Q :=
else
Q := @
endif
say = @printf '  %-8s %s\n' $(1) $(2)

ALL :=
