#!/bin/sh
# Runs test programs one after the other and adds up what they tested.
# Usage: sh tests/run.sh PROGRAM... ; ARGS in the environment go to each.
# Exit status: 0 where every program ran tests to the end and none failed.
set -u
folder=$(mktemp -d "${TMPDIR:-/tmp}/minimamba-tests.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
log=$folder/log
for program; do
    echo "$program"
    # The pipe would hide the status, so it goes by a file.
    { "$program" ${ARGS:-} 2>&1; echo $? > "$folder/status"; } | tee -a "$log"
    status=$(cat "$folder/status")
    [ "$status" = 0 ] || echo "$program: exit status $status" | tee -a "$log"
done

awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    /: exit status [0-9]+$/ { bad++ }
    /Synthesis: Tested: [0-9]+ \| Passing: [0-9]+ \| Failing/ {
        for (i = 1; i < NF; i++) {
            if ($i == "Passing:") passed += $(i + 1)
            if ($i == "Failing:" || $i == "Crashing:") failed += $(i + 1)
        }
    }
    END {
        if (bad > failed) failed = bad
        printf "%d passed, %d failed\n", passed, failed
        exit !(passed > 0 && failed == 0)
    }' "$log"
