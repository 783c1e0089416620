# SiLU beside ReLU, from -6 to 3.
set xlabel "x"
set xrange [-6:3]
set yrange [-1:3]
set xtics 2
set ytics 1
unset key
stats data."silu.tsv" using "x":"silu" nooutput
set label "SiLU(x)" at 1.8, 1.05 tc ls 1
set label "ReLU(x)" at 0.9, 1.8 right tc ls 2
set label "lowest point" at STATS_pos_min_y, STATS_min_y - 0.36 center tc ls 1
set label "" at STATS_pos_min_y, STATS_min_y point ls 1 ps 1
plot data."silu.tsv" using "x":"relu" with lines ls 2, \
  ''                 using "x":"silu" with lines ls 1
