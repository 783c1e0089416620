# The looks that all figures share. The Makefile runs it before a figure's own
# script, with `data` and `figure` set: where the tables are, what to write.
set terminal svg size 720,400 dynamic enhanced font "sans-serif,20" \
  linewidth 1.5 dashlength 1.2
set output figure

# The tables are report.h's: columns parted by tabs, named by their first line.
set datafile separator "\t"
set datafile columnheaders

# Line styles 1 to 6 differ in colour (safe for the colour-blind), in dash and
# in point, so that they also read in black and white. docs/figure.awk gives
# each colour a lighter twin for dark pages.
set style line 1 lc rgb "#0b62a8" lw 2 dt 1 pt 7 ps 0.7
set style line 2 lc rgb "#b35900" lw 2 dt 2 pt 5 ps 0.7
set style line 3 lc rgb "#1a7f4e" lw 2 dt 4 pt 9 ps 0.9
set style line 4 lc rgb "#7a3fa0" lw 2 dt 3 pt 13 ps 0.9
set style line 5 lc rgb "#b3261e" lw 2 dt 5 pt 11 ps 0.9
set style line 6 lc rgb "#59636e" lw 2 dt 1 pt 6 ps 0.7

# Ink for axes, a faint grid, no box around the plot.
set style line 100 lc rgb "#59636e" lw 1
set style line 101 lc rgb "#9aa4ae" lw 0.5 dt 3
set border 3 ls 100
set tics nomirror out scale 0.6
set grid ls 101
set key samplen 3 spacing 1.2 noopaque
set style fill solid 0.55 noborder
