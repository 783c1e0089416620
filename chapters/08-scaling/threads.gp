# measured
# What more threads are worth to the scan: wide, narrow, and narrow but parallel
# in time.
file = data."threads.tsv"
stats file using "threads" nooutput name "S"
set xrange [0.9:S_max + 0.1]
set yrange [0:*]
set xtics 1, S_max > 8 ? int(S_max / 8) : 1
set ytics S_max > 8 ? 4 : 0.5
set xlabel "threads"
set ylabel "speed (cpu, 1 thread: 1)"
set rmargin 20
unset key
plot file using 1:"wide_cpu" with linespoints ls 1, \
     "" using 1:"narrow_cpu" with linespoints ls 2, \
     "" using 1:"narrow_parallel" with linespoints ls 3, \
     "" every ::(S_records - 1) using 1:"wide_cpu":("cpu, 1536 channels") \
       with labels left offset 1,0.2 tc ls 1, \
     "" every ::(S_records - 1) using 1:"narrow_cpu":("cpu, 16 channels") \
       with labels left offset 1,-0.2 tc ls 2, \
     "" every ::(S_records - 1) using 1:"narrow_parallel":("parallel, 16") \
       with labels left offset 1,-0.2 tc ls 3
