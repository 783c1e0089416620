# How much too large Mamba's B_bar is.
set logscale xy
set xlabel "Δ |A|"
set ylabel "Mamba's B̄ / exact B̄"
set xrange [0.01:100]
set yrange [0.8:100]
set xtics (0.01, 0.1, 1, 10, 100)
set ytics (1, 2, 5, 10, 20, 50, 100)
set key top left
factor(z) = z / (1 - exp(-z))
set for [n=1:16] label n at n / 10., factor(n / 10.) point ls 2
plot data."mixture.tsv" using 1:2 with lines ls 1 title "the factor", \
     x with lines ls 6 dt 3 title "Δ |A| itself", \
     NaN with points ls 2 title "A = −1 to −16, Δ = 0.1"
