# How much too large Mamba's B_bar is.
set logscale xy
set xlabel "Δ |A|"
set ylabel "Mamba's B̄ / exact B̄"
set xrange [0.01:100]
set yrange [0.8:100]
set xtics (0.01, 0.1, 1, 10, 100)
set ytics (1, 2, 5, 10, 20, 50, 100)
unset key
factor(z) = z / (1 - exp(-z))
set for [n=1:16] label n at n / 10., factor(n / 10.) point ls 2
set label 17 "the factor" at 9, 18 right textcolor ls 1
set label 18 "Δ |A| itself" at 1.7, 1.2 left textcolor ls 6
set label 19 "A = −1 … −16" at 0.27, 2.6 center textcolor ls 2
plot data."mixture.tsv" using 1:2 with lines ls 1, x with lines ls 6 dt 3
