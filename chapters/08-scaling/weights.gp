# measured
# Tokens a second with weights in 32, 16 and 8 bits.
file = data."weights.tsv"
stats file using "all_threads" nooutput name "S"
set yrange [2.5:-0.5]
set xrange [0:S_max * 1.35]
set ytics scale 0
set grid noytics
set xlabel "tokens a second"
unset key
h = 0.3
plot file using (0):0:(0):"all_threads":($0-h):($0+h):ytic(1) \
       with boxxyerror ls 1 fs solid 0.85, \
     "" using "all_threads":0:(sprintf("%.0f", column("all_threads"))) \
       with labels left offset 1,0.5 tc ls 1, \
     "" using "all_threads":0:(sprintf("%.0f MB", column("megabytes"))) \
       with labels left offset 1,-0.6 tc ls 6
