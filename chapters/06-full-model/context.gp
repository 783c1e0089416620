# What context is worth: the bits of the same bytes, predicted from more and
# more of the bytes before them.
stats data."bits-by-context.tsv" using 3 nooutput
seen = STATS_max
set xlabel "bytes of context"
set ylabel "bits per byte"
set logscale x 2
set xrange [0.8:160]
set yrange [0:3.9]
set ytics 1
set key off
set arrow 1 from seen,0 to seen,2.35 nohead ls 2
set label 1 sprintf("the convolutions\nsee %d bytes", seen) at 1.1*seen,2.75 \
  textcolor ls 2
set label 2 "beyond, only the state" at 1.1*seen,1.05
plot data."bits-by-context.tsv" using 1:2 with linespoints ls 1
