#!/bin/sh
# Every file of src/ stands on one floor, and includes headers of its own and
# lower floors only; a chapter's program includes those up to its chapter.
# Usage: sh tests/check/floors.sh 'FLOOR 0 FILES' 'FLOOR 1 FILES' ... 'COMMAND'
set -u
table=$(mktemp "${TMPDIR:-/tmp}/minimamba-floors.XXXXXX") || exit 1
trap 'rm -f "$table"' EXIT
floor=0
for files; do
    for file in $files; do
        echo "$file $floor" >> "$table"
    done
    floor=$((floor + 1))
done

# Prints "FILE FLOOR" for every C file, "?" where it has none.
floors_of() {
    for path in src/*.[chS] chapters/*/program.c; do
        case $path in
        chapters/*)
            number=${path#chapters/}
            echo "$path $(expr "${number%%-*}" + 0)"
            ;;
        *)
            name=$(basename "$path")
            echo "$path $(awk -v name="${name%.*}" '
                $1 == name { print $2; found++ }
                END { if (found != 1) print "?" }' "$table")"
            ;;
        esac
    done
}

floors_of | {
    bad=0
    count=0
    while read -r path floor; do
        count=$((count + 1))
        if [ "$floor" = "?" ]; then
            echo "$path: wanted one floor in the Makefile, found none" >&2
            bad=1
            continue
        fi
        for header in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$path"); do
            its=$(awk -v name="$header" '$1 == name { print $2 }' "$table")
            if [ -z "$its" ] || [ "$its" -gt "$floor" ]; then
                echo "$path: wanted headers of floors 0 to $floor," \
                    "found $header.h of floor ${its:-?}" >&2
                bad=1
            fi
        done
    done
    [ $bad = 0 ] && echo "floors: $count files"
    exit $bad
}
