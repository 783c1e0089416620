# measured
# Sequential and parallel in time, for few channels and for many. Points mark
# the one that `auto` takes.
file = data."crossover.tsv"
stats file using "cpu" nooutput name "C"
stats file using "parallel" nooutput name "P"
set logscale x 2
set xrange [7:300]
set yrange [0:1.15 * (P_max > C_max ? P_max : C_max)]
set xtics (8, 16, 32, 64, 128, 256)
set ytics 0.1
set xlabel "channels"
set ylabel "time per update (ns)"
set key top right
plot file using "channels":"cpu" with linespoints ls 1 title "cpu", \
     "" using "channels":"parallel" with linespoints ls 3 title "parallel", \
     "" using "channels":"auto" with points ls 6 pt 2 ps 1.4 title "auto"
