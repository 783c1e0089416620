#!/bin/sh
# A build for arm64, by a cross compiler, prints the same under emulation.
# Usage: sh tests/check/arm64.sh BUILD
set -u
here=$1/arm64-native there=$1/arm64
prefix=aarch64-linux-gnu
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static)
if [ "$(uname -m)" != x86_64 ] || ! command -v $prefix-gcc >/dev/null ||
    [ -z "$qemu" ]; then
    echo "arm64: not run: wanted an x86-64 with $prefix-gcc and qemu-aarch64"
    exit 0
fi

# cJSON for arm64, unpacked beside the build, not installed into the system.
root=$PWD/$1/arm64-root
if [ ! -e "$root/usr/include/cjson/cJSON.h" ]; then
    mkdir -p "$root/packages/lists/partial" "$root/packages/archives/partial"
    get() {
        apt-get -q -o Dir::State::Lists="$root/packages/lists" \
            -o APT::Architectures=arm64 -o APT::Architecture=arm64 \
            -o Dir::Cache="$root/packages" "$@"
    }
    (cd "$root/packages" && get update > log 2>&1 &&
        get download libcjson1 libcjson-dev >> log 2>&1) || {
        cat "$root/packages/log" >&2
        echo "arm64: wanted cJSON for arm64, found that apt-get failed" >&2
        exit 1
    }
    for package in "$root"/packages/*.deb; do
        dpkg -x "$package" "$root" || exit 1
    done
fi
include=$root/usr/include
lib=$root/usr/lib/$prefix

make -s -j2 BUILD="$here" BLAS=none ARCH= WERROR=1 all || exit 1
make -s -j2 BUILD="$there" BLAS=none ARCH= WERROR=1 CC=$prefix-gcc \
    AR=$prefix-ar CPPFLAGS="-I$include" LDFLAGS="-L$lib" all || exit 1

# One thread: several that wait for each other under emulation wait long.
export OMP_NUM_THREADS=1

# What a program is asked for: emulation is slow, so chapters 4 and 8 take fewer
# and shorter sequences, and 6 and 7 read a shorter text with a smaller model.
# FULL=1 asks for all that they print by default.
arguments() {
    [ -n "${FULL:-}" ] && return
    case $1 in
    chapter4) echo --sequences 400 --longest 64 ;;
    chapter6) echo --bytes 300 --d-model 32 --vocab-size 500 ;;
    chapter7) echo --longest 64 -n 16 ;;
    chapter8) echo --longest 64 ;;
    esac
}

for program in chapter1 chapter2 chapter3 chapter4 chapter5 chapter6 chapter7 \
    chapter8
do
    asked=$(arguments $program)
    "$here/$program" $asked > "$here/$program.txt" || exit 1
    "$qemu" -L /usr/$prefix -E LD_LIBRARY_PATH="$lib" "$there/$program" \
        $asked > "$there/$program.txt" || exit 1
    awk -f tests/check/same-output.awk "$here/$program.txt" \
        "$there/$program.txt" || {
        echo "arm64: $program: prints something else" >&2
        exit 1
    }
    echo "arm64: $program: prints the same"
done
