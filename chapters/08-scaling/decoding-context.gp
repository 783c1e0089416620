# measured
# One layer's step for one token more, after so many.
file = data."decoding-context.tsv"
stats file using "scan" nooutput name "S"
set logscale xy
set xrange [12:180000]
set yrange [5:1e5]
set xtics ("16" 16, "128" 128, "1024" 1024, "8192" 8192, "65536" 65536)
set ytics ("10 µs" 10, "100 µs" 100, "1 ms" 1000, "10 ms" 1e4, "100 ms" 1e5)
unset mxtics
unset mytics
set xlabel "tokens read so far"
set ylabel "time for the next one"
set rmargin 4
unset key
set label 1 "attention with its cache" at 20000, 3e4 right tc ls 2
set label 2 "a step of the scan" at 2500, 1.9 * S_max left tc ls 1
plot file using "context":"attention" with linespoints ls 2, \
     "" using "context":"scan" with linespoints ls 1
