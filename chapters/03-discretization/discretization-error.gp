# The largest error on a smooth input against the step.
set logscale xy
set xlabel "step Δ"
set ylabel "largest error of h"
set xrange [0.0156:4]
set yrange [1e-5:10]
set ytics ("10^{−5}" 1e-5, "10^{−4}" 1e-4, "0.001" 1e-3, "0.01" 1e-2, \
  "0.1" 0.1, "1" 1, "10" 10)
set xtics (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4)
set key bottom right
plot data."discretization-error.tsv" using "delta":"mamba" with lines ls 2 \
       title "Mamba's mixture", \
     data."discretization-error.tsv" using "delta":"euler" with lines ls 5 \
       title "Euler", \
     data."discretization-error.tsv" using "delta":"zoh" with lines ls 1 \
       title "zero-order hold", \
     data."discretization-error.tsv" using "delta":"bilinear" with lines ls 3 \
       title "bilinear"
