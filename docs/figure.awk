# Gives a picture that gnuplot drew a second set of colours, for dark pages: a
# style sheet after its <svg> tag, whose rules come before attributes.
# Usage: awk -f docs/figure.awk PICTURE.svg
function twin(light, dark) {
    printf "  [stroke=\"%s\" i] { stroke: %s }\n", light, dark
    printf "  [fill=\"%s\" i] { fill: %s }\n", light, dark
    printf "  [color=\"%s\" i] { color: %s }\n", light, dark
}

function rgb(red, green, blue) {
    return sprintf("rgb(%d,%d,%d)", red, green, blue)
}

# gnuplot writes rgb(11,98,168) in one place, rgb( 11,  98, 168) in another.
function without_blanks(line,    done, colour) {
    while (match(line, /rgb\([^)]*\)/)) {
        colour = substr(line, RSTART, RLENGTH)
        gsub(/ /, "", colour)
        done = done substr(line, 1, RSTART - 1) colour
        line = substr(line, RSTART + RLENGTH)
    }
    return done line
}

{ print without_blanks($0) }

/<svg/ { begun = 1 }
begun && !done && />/ {
    done = 1
    print "<style>@media (prefers-color-scheme: dark) {"
    twin("black", "#e6edf3")
    twin("white", "#0d1117")
    twin(rgb(11, 98, 168), "#6cb6ff")
    twin(rgb(179, 89, 0), "#f0a35e")
    twin(rgb(26, 127, 78), "#57c98f")
    twin(rgb(122, 63, 160), "#c79bf0")
    twin(rgb(179, 38, 30), "#ff8a80")
    twin(rgb(89, 99, 110), "#9198a1")
    twin(rgb(154, 164, 174), "#57606a")
    print "}</style>"
}
