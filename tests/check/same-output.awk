# Compares what a program printed with what it printed elsewhere: text exactly,
# numbers within a tolerance, and within sections headed "(measured here)" only
# that there are numbers in the same places.
# Usage: awk -f same-output.awk ONE OTHER
function same(a, b,    difference, size) {
    if (a == b)
        return 1
    difference = a - b
    if (difference < 0)
        difference = -difference
    size = a < 0 ? -a : a
    return difference <= 1e-6 || difference <= 1e-3 * size
}

# Splits a line into words and numbers; the words between numbers go into parts.
function split_numbers(line, numbers, parts,    n) {
    n = 0
    while (match(line, /[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?/)) {
        parts[n] = substr(line, 1, RSTART - 1)
        numbers[n++] = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
    }
    parts[n] = line
    return n
}

function complain(why) {
    printf "%s:%d: %s\n  %s\n  %s\n", FILENAME, FNR, why, other, $0
    bad = 1
}

FNR == NR { lines[FNR] = $0; count = FNR; next }

{
    other = lines[FNR]
    if ($0 ~ /^== /)
        measured = $0 ~ /\(measured here\)$/
    if (measured && $0 !~ /^== /)
        next
    if (FNR > count) { complain("a line more"); next }
    n = split_numbers($0, a, x)
    if (n != split_numbers(other, b, y)) { complain("numbers"); next }
    for (i = 0; i <= n; i++) {
        # Numbers that are wider move the blanks beside them.
        gsub(/ +/, " ", x[i]); gsub(/ +/, " ", y[i])
        if (x[i] != y[i]) { complain("text"); break }
        if (i < n && !same(a[i] + 0, b[i] + 0)) { complain("numbers"); break }
    }
}

END {
    if (FNR != count) {
        printf "%s: wanted %d lines, found %d\n", FILENAME, count, FNR
        bad = 1
    }
    exit bad
}
