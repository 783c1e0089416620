#!/bin/sh
# Every stub must fail some of its tests. Usage: sh tests/check/exercises.sh
# PROGRAM...
set -u
bad=0
for program; do
    out=$(sh tests/run.sh "$program" 2>&1)
    closing=$(echo "$out" | tail -1)
    failed=$(echo "$closing" | sed -n 's/.* \([0-9]*\) failed$/\1/p')
    if [ "${failed:-0}" -gt 0 ]; then
        echo "exercises: $program: $closing, as a stub should"
    else
        echo "$program: wanted a stub whose tests fail, found $closing" >&2
        bad=1
    fi
done
exit $bad
