# measured
# What the next token costs after so many.
file = data."time-per-token.tsv"
set logscale xy
set xrange [12:6000]
set yrange [8:1e6]
set xtics ("16" 16, "64" 64, "256" 256, "1024" 1024, "4096" 4096)
set ytics ("10 µs" 10, "100 µs" 100, "1 ms" 1e3, "10 ms" 1e4, "100 ms" 1e5, \
  "1 s" 1e6)
set xlabel "tokens read so far"
set ylabel "time for the next one"
set rmargin 4
unset key
set label "reading all of it again" at 15, 6e4 left textcolor rgb "#1a7f4e"
set label "one step from the state" at 15, 190 left textcolor rgb "#0b62a8"
set label "attention with a cache" at 5500, 20 right textcolor rgb "#b35900"
plot file using "context":"without" with linespoints ls 3, \
     file using "context":"with_state" with linespoints ls 1, \
     file using "context":"attention" with linespoints ls 2
