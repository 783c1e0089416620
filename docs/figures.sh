#!/bin/sh
# Draws the book's figures: chapters/*/NAME.gp reads tables that the programs
# wrote into BUILD/figures, and its picture is NAME.svg beside it.
# Usage: sh docs/figures.sh BUILD
# CHAPTER=3 draws one chapter's. A script whose first line is "# measured" draws
# timings, which stay as they are unless MEASURE=1. CHECK=1 changes nothing, and
# reports scripts that cannot be run, and pictures that are missing or not what
# their data say now.
set -u
build=$1
mkdir -p "$build/figures"
bad=0
drawn=0

# Draws the script $1 into the file $2. gnuplot only warns of a table that is
# missing, and leaves its line out.
draw() {
    gnuplot -e "data='$build/figures/'; figure='$2.part'" \
        docs/figure.gp "$1" 2> "$2.log"
    status=$?
    cat "$2.log" >&2
    [ $status = 0 ] && ! grep -q 'warning:' "$2.log" &&
        awk -f docs/figure.awk "$2.part" > "$2" && rm -f "$2.part"
}

# The gnuplot that drew it, which decides how it looks: two of them differ.
version() {
    sed -n 's/.*Produced by GNUPLOT \(.*[^ ]\) *<.*/\1/p' "$1" | head -1
}

folder=$(printf 'chapters/%02d-*' "${CHAPTER:-0}")
[ -n "${CHAPTER:-}" ] || folder='chapters/*'
for script in $folder/*.gp; do
    [ -e "$script" ] || continue
    picture=${script%.gp}.svg
    fresh=$build/figures/$(basename "$(dirname "$script")")-$(basename \
        "$picture")
    measured=
    head -1 "$script" | grep -q '^# measured' && measured=yes
    if [ -n "$measured" ] && [ -z "${MEASURE:-}${CHECK:-}" ] &&
        [ -e "$picture" ]; then
        continue
    fi
    if ! draw "$script" "$fresh"; then
        echo "$script: wanted a script that gnuplot can run, found this" >&2
        bad=1
        continue
    fi
    drawn=$((drawn + 1))
    if [ -z "${CHECK:-}" ]; then
        cmp -s "$fresh" "$picture" || { cp "$fresh" "$picture" &&
            echo "$picture"; }
    elif [ ! -e "$picture" ]; then
        echo "$picture: wanted this figure, found none; make figures draws it" >&2
        bad=1
    elif [ -n "$measured" ]; then
        : # It can be drawn; its timings are another day's.
    elif [ "$(version "$fresh")" != "$(version "$picture")" ]; then
        echo "$picture: drawn by another gnuplot, not compared"
    elif ! awk -f tests/check/same-output.awk "$picture" "$fresh" \
        > "$fresh.log"; then
        head -3 "$fresh.log" >&2
        echo "$picture: wanted what its data say now; make figures draws it" >&2
        bad=1
    fi
done
echo "figures: $drawn drawn"
exit $bad
