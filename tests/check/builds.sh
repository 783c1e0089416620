#!/bin/sh
# Everything builds without a warning: gcc and clang; without BLAS; without
# threads; with neither. Each build then writes the text that the model is known
# to write. Usage: sh tests/check/builds.sh BUILD
set -u
build=$1
mkdir -p "$build"
wanted=$(sed -n 's/.*"greedy_160": "\(.*\)",/\1/p' tests/golden/kjv.json |
    head -1)
for compiler in gcc clang; do
    command -v $compiler >/dev/null || {
        echo "builds: wanted $compiler, found none" >&2
        exit 1
    }
    for choice in "" "BLAS=none" "OPENMP=none" "BLAS=none OPENMP=none"; do
        name=$compiler-$(echo "$choice" | tr -d ' =')
        folder=$build/builds/$name
        # The tests, the exercises and the weaver once with each compiler.
        targets=all
        [ -n "$choice" ] ||
            targets="all $folder/weaver exercises testbook test0"
        make -s -j2 BUILD="$folder" CC=$compiler WERROR=1 $choice $targets \
            > "$build/builds.log" 2>&1 || {
            cat "$build/builds.log" >&2
            echo "builds: $compiler $choice: failed" >&2
            exit 1
        }
        text=$("$folder/minimamba" generate \
            --prompt "In the beginning God created") || exit 1
        [ "$text" = "In the beginning God created$wanted" ] || {
            echo "builds: $name: wanted '$wanted', found '$text'" >&2
            exit 1
        }
        rm -rf "$folder"
        echo "builds: $compiler $choice: no warning"
    done
done
