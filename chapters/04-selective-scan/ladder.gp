# measured
# Time for one state update on each rung of the ladder. The last row of the
# table is what the exponentials alone cost.
file = data."ladder.tsv"
stats file using 0:"median" nooutput name "S"
rungs = S_records - 1
stats file every ::rungs::rungs using "median" nooutput name "E"
set logscale x
set xrange [0.05:9]
set xtics ("0.05" 0.05, "0.1" 0.1, "0.2" 0.2, "0.5" 0.5, "1" 1, "2" 2, "5" 5)
set yrange [rungs - 0.4:-1.4]
set ytics scale 0
set grid noytics
set xlabel "nanoseconds for one state update"
unset key
set arrow 1 from E_max, rungs - 1.5 to E_max, -1.4 nohead ls 2
set label 1 "the exponentials alone" at E_max * 1.1, -0.95 left tc ls 2
plot file every ::::rungs-1 using (0.05):0:(column("median") - 0.05):(0) \
       with vectors nohead ls 101, \
     "" every ::::rungs-1 using "median":0:ytic(1) with points ls 1 ps 1.3, \
     "" every ::::rungs-1 using "median":0:(sprintf("%.2g", $2)) \
       with labels left offset 1,0 tc ls 1
