#!/bin/sh
# The differential fuzzer for aarch64 on another machine, below qemu-user: images cross-compiled by weirc, run by
# an engine cross-compiled by clang.
#
#   aarch64.sh WEIRC SECONDS          ($MAKE builds the engine, in build/aarch64)
#
# Needs the Debian packages qemu-user and libc6-dev-arm64-cross; without them it says so: "0 passed, 0 failed, 1 skipped".
set -eu
weirc=$(realpath "$1") seconds=$2 sysroot=/usr/aarch64-linux-gnu build=build/aarch64
if ! command -v qemu-aarch64 >/dev/null || [ ! -e $sysroot/lib/libc.so ]; then
    echo "qemu-user or libc6-dev-arm64-cross is not installed: images for aarch64 are not run"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
${MAKE:-make} --no-print-directory -s B=$build OPT='-O1 -g' CC='clang-19 --target=aarch64-linux-gnu' $build/tests/diff
cat >$build/weirc <<END
#!/bin/sh
exec '$weirc' "\$@" --target aarch64
END
chmod +x $build/weirc
exec qemu-aarch64 -L $sysroot $build/tests/diff --seconds "$seconds" --weirc $build/weirc --keep $build/diff
