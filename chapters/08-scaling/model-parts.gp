# measured
# Where the time of a model goes, when it reads a prompt and when it writes.
set yrange [7.6:-0.6]
set xrange [0:60]
set xtics ("0" 0, "20 %%" 20, "40 %%" 40, "60 %%" 60)
set ytics scale 0 noenhanced
set grid noytics
set xlabel "share of the time"
set key at graph 0.97, graph 0.82 right
h = 0.19
plot data."prefill-parts.tsv" \
       using (0):($0-0.21):(0):(100*column("share")):($0-0.21-h):($0-0.21+h) \
       with boxxyerror ls 1 fs solid 0.85 title "reading a prompt", \
     data."decoding-parts.tsv" \
       using (0):($0+0.21):(0):(100*column("share")):($0+0.21-h):($0+0.21+h) \
       with boxxyerror ls 2 fs pattern 4 title "one token more", \
     data."prefill-parts.tsv" using (-1):0:ytic(1) with points pt -2 notitle
