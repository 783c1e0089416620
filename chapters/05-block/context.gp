# Multiplications for one token, by the tokens before it: context.tsv.
set logscale x 2
set logscale y 10
set xrange [16:70000]
set yrange [3e6:2e8]
set xtics (16, 128, 1024, 8192, "65536" 65536)
set ytics ("3 million" 3e6, "10 million" 1e7, "30 million" 3e7, \
  "100 million" 1e8)
set xlabel "context: tokens before this one"
set ylabel "multiplications for one token"
set rmargin 4
set key off
set label 1 "one layer of attention and MLP" at 9000,4e7 right tc ls 2
set label 2 "two Mamba blocks" at 50000,5.4e6 right tc ls 1
plot data."context.tsv" using 1:"attention_and_MLP" with lines ls 2, \
     "" using 1:"two_blocks" with lines ls 1
