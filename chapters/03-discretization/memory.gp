# What is left of an impulse in each state.
set xlabel "tokens since the impulse"
set ylabel "part that is left"
set xrange [0:40]
set yrange [0:1]
set ytics 0.25
set key top right
plot data."memory.tsv" using "t":"A_-1" with lines ls 1 title "A = −1", \
     data."memory.tsv" using "t":"A_-2" with lines ls 2 title "A = −2", \
     data."memory.tsv" using "t":"A_-4" with lines ls 3 title "A = −4", \
     data."memory.tsv" using "t":"A_-8" with lines ls 4 title "A = −8", \
     data."memory.tsv" using "t":"A_-16" with lines ls 5 title "A = −16"
