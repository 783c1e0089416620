# measured
# Time for one update of one state, by every backend, against the length. The
# lines' names stand beside their last points.
table = data."backends.tsv"
set logscale x 4
set xrange [60:4300]
set yrange [0:9]
set xtics (64, 256, 1024, 4096)
set ytics 2
set xlabel "length of the sequence (steps)"
set ylabel "time per update (ns)"
set rmargin 12
unset key
plot for [k = 1:5] name = word("tree double parallel reference cpu", k) \
       table using "length":name with linespoints \
       ls int(word("4 3 2 6 1", k)), \
     for [k = 1:5] name = word("tree double parallel reference cpu", k) \
       table every ::3::3 using "length":name:(name) with labels left \
       offset 1, real(word("0 0 0.4 -0.4 0", k))
