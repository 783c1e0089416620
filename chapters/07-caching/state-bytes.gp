# The state's bytes beside those of attention's keys and values.
file = data."state-bytes.tsv"
set logscale xy
set xrange [1:1048576]
set yrange [1e3:1e10]
set xtics ("1" 1, "32" 32, "1024" 1024, "32,768" 32768, "1,048,576" 1048576)
set ytics ("1 kB" 1e3, "100 kB" 1e5, "10 MB" 1e7, "1 GB" 1e9)
set xlabel "tokens read so far"
set ylabel "memory for one sequence"
set rmargin 6
unset key

# Where the two lines meet: the state over what one token costs attention.
stats file using (column("state_bytes")) nooutput name "S"
stats file using (column("key_value_bytes") / column("tokens")) nooutput \
  name "T"
equal = S_min / T_min
set object circle at equal, S_min size screen 0.012 \
  fillstyle empty border lc rgb "#59636e" lw 2
set label sprintf("equal at %.0f tokens", equal) at equal * 1.3, S_min * 0.28 \
  left textcolor rgb "#59636e"
set label "keys and values of attention" at 12000, 1.6e8 right \
  textcolor rgb "#b35900"
set label "conv\\_state and ssm\\_state" at 900000, S_min * 2.6 right \
  textcolor rgb "#0b62a8"
plot file using "tokens":"key_value_bytes" with lines ls 2, \
     file using "tokens":"state_bytes" with lines ls 1
