# One input of 1, and what comes of it.
set xlabel "time t, in tokens"
set ylabel "x_t and y_t"
set xrange [-0.4:5.6]
set yrange [0:1.15]
set xtics 1
set ytics 0.5
unset key
K = 4
tap(t) = t < K ? sprintf("tap %d", K - 1 - t) : ""
set label "the only input" at 0.15, 1 tc ls 2
set label "outputs" at 4.05, 0.16 tc ls 1
plot data."impulse.tsv" \
       using ($1 - 0.05):($2 > 0 ? $2 : NaN) with impulses ls 2 dt 1 lw 3, \
  ''   using ($1 - 0.05):($2 > 0 ? $2 : NaN) with points ls 2 ps 1.2, \
  ''   using ($1 + 0.05):"y" with impulses ls 1 lw 3, \
  ''   using ($1 + 0.05):"y" with points ls 1 ps 1.2, \
  ''   using ($1 + 0.16):"y":(tap($1)) with labels left offset 0,0.5
