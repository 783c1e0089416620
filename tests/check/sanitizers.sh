#!/bin/sh
# All tests and all programs with the address and undefined-behaviour
# sanitizers. Usage: sh tests/check/sanitizers.sh BUILD
set -u
folder=$1/sanitizers
# Tests ask about leaks themselves, at the end of each; the runner leaks a little.
export ASAN_OPTIONS=allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
make -s -j2 BUILD="$folder" DEBUG=1 all run-tests || exit 1
for program in "$folder"/chapter[0-9]; do
    # What is only timed need not take long here.
    shorter=
    case $program in *[48]) shorter="--longest 64" ;; esac
    "$program" $shorter --tsv "$folder/figures" > "$folder/out" || {
        echo "sanitizers: $program: failed" >&2
        exit 1
    }
done
"$folder/minimamba" generate --prompt "And God" -n 8 > "$folder/out" || exit 1
echo "sanitizers: clean"
