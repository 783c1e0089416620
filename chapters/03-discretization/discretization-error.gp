# The largest error on a smooth input against the step.
set logscale xy
set xlabel "step Δ"
set ylabel "largest error of h"
set xrange [0.0156:4]
set yrange [1e-5:10]
set ytics ("10^{−5}" 1e-5, "10^{−4}" 1e-4, "0.001" 1e-3, "0.01" 1e-2, \
  "0.1" 0.1, "1" 1, "10" 10)
set xtics (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4)
unset key
set label 1 "Mamba's mixture" at 0.018, 0.07 left textcolor ls 2
set label 2 "Euler" at 0.018, 0.0018 left textcolor ls 5
set label 3 "zero-order hold" at 0.18, 0.006 right textcolor ls 1
set label 4 "bilinear" at 0.2, 0.0006 left textcolor ls 3
plot data."discretization-error.tsv" using "delta":"mamba" with lines ls 2, \
     data."discretization-error.tsv" using "delta":"euler" with lines ls 5, \
     data."discretization-error.tsv" using "delta":"zoh" with lines ls 1, \
     data."discretization-error.tsv" using "delta":"bilinear" with lines ls 3
