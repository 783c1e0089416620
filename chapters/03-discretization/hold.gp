# A held input and the state that follows it, with A = -1, B = 1, Delta = ln 2.
set xlabel "time, in steps of Δ"
set ylabel "x and h"
set xrange [0:6]
set yrange [0:2.3]
set ytics 0.5
unset key
set label 1 "input x" at 1, 1.15 center textcolor ls 6
set label 2 "state h" at 4.55, 1.1 left textcolor ls 1
plot data."hold.tsv" using "t":"x" with fsteps ls 6, \
     data."hold.tsv" using "t":"h" with lines ls 1, \
     data."hold.tsv" using "t":"h" every 32 with points ls 1 ps 1.2
