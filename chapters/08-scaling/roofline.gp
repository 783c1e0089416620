# measured
# How fast each part computes, under what the machine allows: as fast as memory
# brings numbers, or as fast as it multiplies matrices.
file = data."roofline.tsv"
stats file using "roof_gflops" nooutput name "F"
stats file using "roof_gbytes" nooutput name "B"
set logscale xy
set xrange [0.1:1000]
set yrange [F_max / 80:F_max * 2.6]
set xtics ("0.1" 0.1, "1" 1, "10" 10, "100" 100, "1000" 1000)
set ytics ("1" 1, "3" 3, "10" 10, "30" 30, "100" 100, "300" 300, "1000" 1000, \
  "3000" 3000, "10000" 10000)
unset mxtics
unset mytics
set samples 500
set xlabel "operations for a byte of memory"
set ylabel "Gflop/s"
set rmargin 3
unset key
roof(x) = x * B_max < F_max ? x * B_max : F_max
set label 1 sprintf("%.0f GB/s", B_max) at 0.2 * F_max / B_max, \
  F_max / 4 right tc ls 6
set label 2 sprintf("matrix product: %.0f", F_max) at 0.12, F_max * 1.7 \
  left tc ls 6
plot roof(x) with lines ls 6, \
     file every ::0::0 using 2:3 with points ls 1 ps 1.6, \
     "" every ::0::0 using 2:3:("scan") with labels center offset 0,0.9 tc ls 1, \
     "" every ::1::1 using 2:3 with points ls 2 ps 1.4, \
     "" every ::1::1 using 2:3:("blocked attention") with labels right \
       offset 3,-1.2 tc ls 2, \
     "" every ::2::2 using 2:3 with points ls 5 ps 1.4, \
     "" every ::2::2 using 2:3:("textbook attention") with labels left \
       offset 0,-1.7 tc ls 5, \
     "" every ::3::3 using 2:3 with points ls 4 ps 1.4, \
     "" every ::3::3 using 2:3:("attention, one token") with labels left \
       offset 1,-0.9 tc ls 4, \
     "" every ::4::5 using 2:3 with points ls 3 ps 1.4, \
     "" every ::5::5 using 2:3:("projection, one token") with labels left \
       offset 1,0.2 tc ls 3, \
     "" every ::4::4 using 2:3:("projection") with labels right \
       offset 3,0.9 tc ls 3
