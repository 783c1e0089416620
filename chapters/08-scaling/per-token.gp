# measured
# The same for each token.
file = data."scaling.tsv"
micro(name) = 1e6 * column(name) / column("length")
stats file using (micro("scan")) nooutput name "S"
set logscale xy
set xrange [100:180000]
set yrange [1:2e4]
set xtics ("128" 128, "1024" 1024, "8192" 8192, "65536" 65536)
set ytics ("1 µs" 1, "10 µs" 10, "100 µs" 100, "1 ms" 1000, "10 ms" 10000)
unset mxtics
unset mytics
set xlabel "tokens"
set ylabel "time for each token"
set rmargin 5
unset key
set label 1 "attention, textbook" at 14000, 2500 right tc ls 5
set label 2 "attention, blocked" at 60000, 1e4 right tc ls 2
set label 3 "selective scan" at 9000, 1.8 * S_max left tc ls 1
plot file using "length":(micro("textbook")) with linespoints ls 5, \
     "" using "length":(micro("blocked")) with linespoints ls 2, \
     "" using "length":(micro("scan")) with linespoints ls 1
