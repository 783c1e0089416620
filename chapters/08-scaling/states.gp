# measured
# The scan's time for a token, with few states and with many.
file = data."states.tsv"
stats file using 1 nooutput name "S"
set logscale x 2
set logscale y
set xrange [100:20000]
set yrange [0.3:60]
set xtics ("128" 128, "512" 512, "2048" 2048, "8192" 8192)
set ytics ("0.5 µs" 0.5, "1 µs" 1, "2 µs" 2, "5 µs" 5, "10 µs" 10, \
  "20 µs" 20, "50 µs" 50)
unset mytics
set xlabel "tokens"
set ylabel "time for each token"
set rmargin 8
unset key
last(name) = sprintf("N = %s", name)
plot for [k = 2:4] file using 1:(1e-3 * column(k)) with linespoints \
       ls int(word("3 1 4", k - 1)), \
     for [k = 2:4] "" every ::(S_records - 1) \
       using 1:(1e-3 * column(k)):(last(word("4 16 64", k - 1))) \
       with labels left offset 1,real(word("-0.5 0.3 0", k - 1)) \
       tc ls int(word("3 1 4", k - 1))
