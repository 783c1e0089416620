# measured
# Memory for one layer against the length: lines are what the functions state,
# points what the system saw.
file = data."memory-length.tsv"
set logscale xy
set xrange [100:90000]
set yrange [1e6:1e11]
set xtics ("128" 128, "1024" 1024, "8192" 8192, "65536" 65536)
set ytics ("1 MB" 1e6, "10 MB" 1e7, "100 MB" 1e8, "1 GB" 1e9, "10 GB" 1e10, \
  "100 GB" 1e11)
unset mxtics
unset mytics
set xlabel "tokens"
set ylabel "memory for one layer"
set rmargin 4
unset key
set label 1 "attention, textbook" at 8000, 3e9 right tc ls 5
set label 2 "attention, blocked" at 85000, 3e7 right tc ls 2
set label 3 "Mamba, however long" at 85000, 4.4e6 right tc ls 1
plot file using "length":"textbook_stated" with lines ls 5, \
     "" using "length":"blocked_stated" with lines ls 2, \
     "" using "length":"model_stated" with lines ls 1, \
     "" using "length":"textbook_seen" with points ls 5, \
     "" using "length":"blocked_seen" with points ls 2, \
     "" using "length":"model_seen" with points ls 1
