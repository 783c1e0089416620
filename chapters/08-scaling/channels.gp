# measured
# Sequential and parallel in time, for few channels and for many.
file = data."channels.tsv"
stats file using "parallel" nooutput name "P"
stats file using "cpu" nooutput name "C"
set logscale x 2
set xrange [14:300]
set yrange [0:1.25 * (P_max > C_max ? P_max : C_max)]
set xtics (16, 32, 64, 128, 256)
set xlabel "channels"
set ylabel "ns for a state update"
set rmargin 10
unset key
plot file using "channels":"cpu" with linespoints ls 1, \
     "" using "channels":"parallel" with linespoints ls 3, \
     "" every ::(C_records - 1) using 1:2:("cpu") with labels left \
       offset 1,0 tc ls 1, \
     "" every ::(C_records - 1) using 1:3:("parallel") with labels left \
       offset 1,0 tc ls 3
