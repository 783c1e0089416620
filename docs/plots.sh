#!/bin/sh
# Runs the benchmarks and draws what they measured: tables and figures, as SVG
# and as PNG, in BUILD/plots. The scripts are those of the chapters' figures.
# Usage: sh docs/plots.sh BUILD [--quick]
# Threads that wait spin, on a machine with nothing else to do: whoever measures
# waits for nobody. OMP_WAIT_POLICY=passive is for busy ones.
set -u
build=$1
shift
plots=$build/plots
rm -rf "$plots"
mkdir -p "$plots" || exit 1
"$build/minimamba" bench --out "$plots" "$@" > "$plots/results.txt" || exit 1
sed -n '/^== targets/,$p' "$plots/results.txt"

# As docs/figure.gp sets up an SVG, but twice as large and in pixels.
png='set terminal pngcairo size 1440,800 enhanced font "sans-serif,34"
    linewidth 3 dashlength 0.7 pointscale 2'

# Draws the script $1 as $2.svg and $2.png.
draw() {
    gnuplot -e "data='$plots/'; figure='$2.part'" docs/figure.gp "$1" &&
        awk -f docs/figure.awk "$2.part" > "$2.svg" && rm -f "$2.part" &&
        gnuplot -e "data='$plots/'; figure='$2.png'" docs/figure.gp \
            -e "$(printf '%s' "$png" | tr '\n' ' '); set output figure" "$1"
}

bad=0
drawn=0
for script in chapters/04-selective-scan/ladder.gp chapters/08-scaling/*.gp; do
    head -1 "$script" | grep -q '^# measured' || continue
    if draw "$script" "$plots/$(basename "$script" .gp)"; then
        drawn=$((drawn + 1))
    else
        echo "$script: wanted a script that gnuplot can run, found this" >&2
        bad=1
    fi
done
echo
echo "What was measured: $plots/results.txt"
echo "Its tables:        $plots/*.tsv"
echo "Its figures:       $plots/*.svg and *.png, $drawn of each"
exit $bad
