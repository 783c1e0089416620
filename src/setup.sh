#!/bin/sh
# Installs what is missing, with the machine's package manager, and says so
# first. Usage: sh src/setup.sh build|check
#   build  what building, testing and the book need: compiler, OpenBLAS, cJSON,
#          Criterion, universal-ctags, pandoc, gnuplot
#   check  what `make check` needs besides: clang, valgrind, a cross compiler,
#          checkers of HTML and EPUB
# CC and BLAS are taken from the environment, as in the Makefile.
set -u
what=${1:-build}
case $what in
build | check) ;;
*)
    echo "setup: wanted build or check, found $what" >&2
    exit 2
    ;;
esac
CC=${CC:-cc}
system=$(uname -s)

# Does the compiler find this header? Where the Makefile would look.
header() {
    search=
    [ "$system" = Darwin ] && search=-I$(brew --prefix 2>/dev/null)/include
    [ -d /usr/include/openblas ] && search=-I/usr/include/openblas
    printf '#include <stddef.h>\n#include <stdio.h>\n#include <%s>\n' "$1" |
        $CC $search -E - >/dev/null 2>&1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Adds packages to the list, each under its manager's name:
# need APT DNF BREW ("-" for none there)
missing=
need() {
    case $manager in
    apt-get) package=$1 ;;
    dnf) package=$2 ;;
    brew) package=$3 ;;
    esac
    [ "$package" = - ] || missing="$missing $package"
}

manager=none
for candidate in apt-get dnf brew; do
    if has $candidate; then
        manager=$candidate
        break
    fi
done

list_build() {
    if ! has "$CC" || ! header stdio.h; then
        case $CC in
        *clang*) need clang clang llvm ;;
        *) need gcc gcc - ;;
        esac
        need libc6-dev glibc-devel -
    fi
    if [ "${BLAS:-}" != none ] && [ "$system" != Darwin ]; then
        header cblas.h || need libopenblas-dev openblas-devel -
    fi
    header cjson/cJSON.h || need libcjson-dev cjson-devel cjson
    header criterion/criterion.h ||
        need libcriterion-dev criterion-devel criterion
    # The book: names, pages, figures. Another ctags may have the name.
    ctags --version 2>/dev/null | grep -q Universal ||
        need universal-ctags ctags universal-ctags
    has pandoc || need pandoc pandoc pandoc
    has gnuplot || need gnuplot-nox gnuplot-minimal gnuplot
}

list_check() {
    has git || need git git git
    has clang || need clang clang llvm
    has clang-format || need clang-format clang-tools-extra clang-format
    has valgrind || need valgrind valgrind -
    has tidy || need tidy tidy tidy-html5
    has epubcheck || need epubcheck - epubcheck
    [ "$system" = Linux ] || return
    echo 'int main(void) { return 0; }' |
        clang -fopenmp -x c - -o /dev/null 2>/dev/null ||
        need libomp-dev libomp-devel -
    echo 'int main(void) { return 0; }' |
        clang -fsanitize=address -x c - -o /dev/null 2>/dev/null ||
        need libclang-rt-dev compiler-rt -
    if [ "$manager" = apt-get ] && [ "$(uname -m)" = x86_64 ]; then
        has aarch64-linux-gnu-gcc || need "gcc-aarch64-linux-gnu \
libc6-dev-arm64-cross" - -
        has qemu-aarch64 || has qemu-aarch64-static || need qemu-user - -
    fi
}

if [ "$manager" = none ]; then
    echo "setup: wanted apt-get, dnf or brew, found none of them; install a C" \
        "compiler, OpenBLAS, cJSON, Criterion, universal-ctags, pandoc and" \
        "gnuplot, then run make again" >&2
    # What is there may be enough all the same.
    header cjson/cJSON.h && header criterion/criterion.h && exit 0
    exit 1
fi

"list_$what"
[ -n "$missing" ] || exit 0

as_root=
if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
    if ! has sudo; then
        echo "setup: wanted to be root or to find sudo, found neither;" \
            "as root: $manager install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

run() {
    echo "setup: $*"
    "$@"
}

case $manager in
apt-get)
    run $as_root apt-get update -q &&
        run $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing
    ;;
dnf) run $as_root dnf install -y $missing ;;
brew) run brew install $missing ;;
esac || {
    echo "setup: wanted to install$missing, found that $manager failed" >&2
    exit 1
}
