# measured
# Scan and attention, one layer of each, against the length.
file = data."scaling.tsv"
set logscale xy
set xrange [100:180000]
set yrange [1e-4:2e3]
set xtics ("128" 128, "1024" 1024, "8192" 8192, "65536" 65536)
set ytics ("0.1 ms" 1e-4, "1 ms" 1e-3, "10 ms" 0.01, "100 ms" 0.1, "1 s" 1, \
  "10 s" 10, "100 s" 100, "1000 s" 1e3)
unset mxtics
unset mytics
set xlabel "tokens"
set ylabel "time for one layer"
set rmargin 5
unset key
set label 1 "attention, textbook" at 14000, 40 right tc ls 5
set label 2 "attention, blocked" at 60000, 700 right tc ls 2
set label 3 "selective scan" at 9000, 0.006 left tc ls 1
plot file using "length":"textbook" with linespoints ls 5, \
     "" using "length":"blocked" with linespoints ls 2, \
     "" using "length":"scan" with linespoints ls 1
