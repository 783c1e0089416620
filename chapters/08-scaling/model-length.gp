# measured
# A Mamba layer's time for each token of a text, against its length.
file = data."model-length.tsv"
stats file using "length":(1e6 * column("median") / column("length")) \
  nooutput name "S"
set logscale x 2
set xrange [100:20000]
set yrange [0:1.4 * S_max_y]
set xtics ("128" 128, "512" 512, "2048" 2048, "8192" 8192)
set xlabel "tokens"
set ylabel "µs for each token"
set rmargin 4
unset key
micro(name) = 1e6 * column(name) / column("length")
plot file using "length":(micro("median")):(micro("least")):(micro("most")) \
       with yerrorbars ls 6 ps 0, \
     "" using "length":(micro("median")) with linespoints ls 1
