# Where RMSNorm and LayerNorm move points of the plane.
set multiplot layout 1,2
set size ratio -1
set xrange [-2.6:2.6]
set yrange [-2.6:2.6]
set border 0
set zeroaxis ls 100
unset grid
unset key
unset xtics
unset ytics
set lmargin 1
set rmargin 1
set bmargin 1
set tmargin 2.2
set title "RMSNorm" offset 0,-0.3
set label 1 "x_1" at 2.55,0.3 right
set label 2 "x_2" at 0.15,2.45 left
plot data."rmsnorm-shape.tsv" \
       using 1:2:(column("rms1")-column("x1")):(column("rms2")-column("x2")) \
       with vectors nohead lc rgb "#9aa4ae" lw 1, \
     "" using "x1":"x2" with points ls 6 ps 0.8, \
     "" using "rms1":"rms2" with points ls 1 ps 0.9
set title "LayerNorm"
plot data."rmsnorm-shape.tsv" \
       using 1:2:(column("layer1")-column("x1")):(column("layer2")-column("x2")) \
       with vectors nohead lc rgb "#9aa4ae" lw 1, \
     "" using "x1":"x2" with points ls 6 ps 0.8, \
     "" using "layer1":"layer2" with points ls 2 ps 1.1
unset multiplot
