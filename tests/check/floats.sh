#!/bin/sh
# Both exponentials at each of the 2^32 floats: `make test` tries one of 61.
# Usage: sh tests/check/floats.sh BUILD
set -u
program=$1/tests/chapter2
make -s -j2 BUILD="$1" "$program" || exit 1
EVERY_FLOAT=1 ARGS="--filter exponential/*_at_every_float" \
    sh tests/run.sh "$program" || exit 1
echo "floats: every one"
