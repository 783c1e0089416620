# The relative error of a sum of squares, for five ways to add.
set logscale x 2
set logscale y
set xrange [12:8e9]
set yrange [2e-9:3]
set xtics ("2^4" 16, "2^{8}" 256, "2^{12}" 4096, "2^{16}" 65536, \
  "2^{20}" 1048576, "2^{24}" 16777216)
set ytics 1e-8,100 format "10^{%T}"
set xlabel "numbers in the sum"
set ylabel "relative error"
set rmargin 1
unset key
unset mxtics
unset mytics
last = 2.6e7
set label 1 "bfloat16" at last,0.9 left tc ls 5
set label 2 "running sum" at last,2.1e-2 left tc ls 2
set label 3 "eight sums" at last,7e-4 left tc ls 1
set label 4 "pairwise, Kahan" at last,4.5e-8 left tc ls 3
plot data."rmsnorm-sum.tsv" using "n":"bfloat16" with linespoints ls 5, \
     "" using "n":"running" with linespoints ls 2, \
     "" using "n":"eight" with linespoints ls 1, \
     "" using "n":"pairwise" with linespoints ls 3, \
     "" using "n":"kahan" with linespoints ls 4
