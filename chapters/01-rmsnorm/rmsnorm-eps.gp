# What the norm does to rows from tiny to large, for three eps.
set logscale xy
set xrange [1e-8:1e2]
set yrange [1e-6:8]
set xtics 100 format "10^{%T}" font ",20"
set ytics 100 format "10^{%T}" font ",20"
set xlabel "RMS of the row" font ",20" offset 0,0.3
set ylabel "RMS of its norm" font ",20" offset -2
set lmargin 11
set bmargin 4
set rmargin 2
unset key
unset mxtics
unset mytics
set label 1 "eps = 10^{-8}" at 4e-6,0.25 right font ",20" tc ls 2
set label 2 "10^{-5}" at 1.2e-4,0.1 center font ",20" tc ls 1
set label 3 "10^{-3}" at 3e-3,1.7e-2 left font ",20" tc ls 3
plot data."rmsnorm-eps.tsv" using "input_rms":"eps_1e-8" with lines ls 2, \
     "" using "input_rms":"eps_1e-5" with lines ls 1, \
     "" using "input_rms":"eps_1e-3" with lines ls 3
