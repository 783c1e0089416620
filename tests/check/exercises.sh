#!/bin/sh
# Every stub must run its tests, fail some of them, and crash in none.
# Usage: sh tests/check/exercises.sh PROGRAM...
set -u
[ $# -gt 0 ] || {
    echo "exercises: wanted programs to run, found none" >&2
    exit 1
}
bad=0
for program; do
    out=$(sh tests/run.sh "$program" 2>&1)
    closing=$(echo "$out" | tail -1)
    if echo "$out" | grep -q 'Failing: [1-9][0-9]* | Crashing: 0'; then
        echo "exercises: $program: $closing, as a stub should"
    else
        echo "$program: wanted a stub whose tests fail, none by a crash;" \
            "found $closing" >&2
        bad=1
    fi
done
exit $bad
