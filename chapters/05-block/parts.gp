# Where a block's parameters and operations go: parts.tsv.
set size 1,1
set yrange [7.6:-0.6]
set xrange [0:100]
set format x "%g %%"
set xtics 0,25,100
set ytics ("norm" 0, "in\\_proj" 1, "conv1d, SiLU" 2, "x\\_proj" 3, \
  "dt\\_proj" 4, "scan" 5, "gate" 6, "out\\_proj" 7) scale 0
set xlabel "share of the block"
set key at graph 0.97, graph 0.74 right
h = 0.13
plot data."parts.tsv" using (0):($1-0.27):(0):2:($1-0.27-h):($1-0.27+h) \
       with boxxyerror ls 1 fs solid 0.85 title "parameters", \
     "" using (0):($1):(0):3:($1-h):($1+h) \
       with boxxyerror ls 3 fs pattern 4 title "multiplications", \
     "" using (0):($1+0.27):(0):4:($1+0.27-h):($1+0.27+h) \
       with boxxyerror ls 2 fs solid 0.75 title "exponentials"
