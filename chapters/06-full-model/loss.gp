# The trained model's bits per byte along the passage: the mean of each 128
# bytes, and the mean of all so far. Nothing predicts byte 1.
bits(nats) = nats / log(2)
middle(position) = 128 * int((position - 2) / 128) + 66
set xlabel "bytes read"
set ylabel "bits per byte"
set xrange [0:4150]
set yrange [0:4.9]
set xtics 1024
set ytics 1
set key off
set label 1 "the bytes' frequencies" at 2100,4.55 center
set label 2 "all bytes so far" at 2100,2.5 center textcolor ls 2
set label 3 "128 bytes at a time" at 2100,1.0 center textcolor ls 1
plot data."loss.tsv" using 1:4 with lines ls 6, \
     "" using (middle($1)):(bits($2)) smooth unique with linespoints ls 1, \
     "" using 1:($1 < 16 ? NaN : bits($3)) with lines ls 2
