# How the shares of the parameters change with the width: parameters.tsv.
set logscale x 2
set logscale y 10
set xrange [30:4400]
set xtics (32, 128, 512, 2048)
set yrange [0.1:200]
set ytics (0.1, 0.3, 1, 3, 10, 30, 100)
set format y "%g %%"
set xlabel "d\\_model"
set ylabel "share of the parameters"
set key off
set label 1 "in\\_proj" at 1024,112 center tc ls 1
set label 2 "out\\_proj" at 1024,20 center tc ls 3
set label 3 "x\\_proj" at 200,11.5 tc ls 2
set label 4 "A\\_log and D" at 560,0.4 right tc ls 4
set label 5 "dt\\_proj" at 60,1.1 center tc ls 5
plot data."parameters.tsv" using 1:(100*$3/($2+$3+$4+$5+$6+$7+$8)) \
       with linespoints ls 1, \
     "" using 1:(100*$8/($2+$3+$4+$5+$6+$7+$8)) with linespoints ls 3, \
     "" using 1:(100*$5/($2+$3+$4+$5+$6+$7+$8)) with linespoints ls 2, \
     "" using 1:(100*$7/($2+$3+$4+$5+$6+$7+$8)) with linespoints ls 4, \
     "" using 1:(100*$6/($2+$3+$4+$5+$6+$7+$8)) with linespoints ls 5
