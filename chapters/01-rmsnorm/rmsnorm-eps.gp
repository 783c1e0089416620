# What the norm does to rows from tiny to large, for three eps.
set logscale xy
set xrange [1e-8:1e2]
set yrange [1e-6:8]
set xtics 100 format "10^{%T}"
set ytics 100 format "10^{%T}"
set xlabel "RMS of the row"
set ylabel "RMS of its norm"
set rmargin 2
unset key
unset mxtics
unset mytics
set label 1 "eps = 10^{-8}" at 4e-6,0.25 right tc ls 2
set label 2 "10^{-5}" at 1.2e-4,0.1 center tc ls 1
set label 3 "10^{-3}" at 3e-3,1.7e-2 left tc ls 3
plot data."rmsnorm-eps.tsv" using "input_rms":"eps_1e-8" with lines ls 2, \
     "" using "input_rms":"eps_1e-5" with lines ls 1, \
     "" using "input_rms":"eps_1e-3" with lines ls 3
