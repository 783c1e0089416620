# Reads the list of a site's files, then its pages, pictures and style; prints
# what is dead, what comes from outside, and what has no words. RS is "<" after
# the list, so that a record is a tag and the text behind it. For
# book-pages.sh, which runs it in the site's folder.

# What a browser would show for a reference.
function decode(text,    result, code) {
    gsub(/&amp;/, "\\&", text)
    result = ""
    while (match(text, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        code = index("0123456789ABCDEF", toupper(substr(text, RSTART + 1, 1)))
        code = 16 * (code - 1) - 1 + \
            index("0123456789ABCDEF", toupper(substr(text, RSTART + 2, 1)))
        result = result substr(text, 1, RSTART - 1) sprintf("%c", code)
        text = substr(text, RSTART + 3)
    }
    return result text
}

# a/b/../c becomes a/c; what leads out of the site keeps its dots.
function normal(path,    parts, n, i, kept, result) {
    n = split(path, parts, "/")
    kept = 0
    for (i = 1; i <= n; i++) {
        if (parts[i] == "." || parts[i] == "")
            continue
        if (parts[i] == ".." && kept > 0 && result[kept] != "..")
            kept--
        else
            result[++kept] = parts[i]
    }
    path = ""
    for (i = 1; i <= kept; i++)
        path = path (i > 1 ? "/" : "") result[i]
    return path
}

function complain(file, what) {
    print file ": " what
}

function outside(url) {
    return url ~ /^([a-zA-Z][a-zA-Z0-9+.-]*:|\/\/)/ && url !~ /^data:/
}

# Notes a reference within the site, to be followed when all ids are known.
function refer(file, url) {
    n_links++
    link_file[n_links] = file
    link_url[n_links] = url
}

# What a style loads, in a file or an attribute.
function check_style(file, text) {
    if (match(text, /@import/))
        complain(file, "wanted one style and no other, found an @import")
    while (match(text, /url\([^)]*\)/)) {
        url = substr(text, RSTART + 4, RLENGTH - 5)
        gsub(/["' ]/, "", url)
        if (outside(url))
            complain(file, "wanted nothing loaded from outside, found " url)
        else if (url !~ /^(#|data:)/)
            refer(file, url)
        text = substr(text, RSTART + RLENGTH)
    }
}

function check_tag(file, tag,    name, rest, key, value, n, has_alt, alt, src) {
    name = tag
    sub(/[ \t\n\/>].*/, "", name)
    name = tolower(name)
    # The tag itself ends at the first > outside quotes.
    rest = substr(tag, length(name) + 1)
    has_alt = 0
    src = ""
    while (match(rest, /^[ \t\n]*[^ \t\n=>\/]+(="[^"]*"|='[^']*')?/)) {
        value = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        sub(/^[ \t\n]*/, "", value)
        key = value
        n = index(value, "=")
        if (n) {
            key = substr(value, 1, n - 1)
            value = substr(value, n + 2, length(value) - n - 2)
        } else
            value = ""
        key = tolower(key)
        if (key == "id")
            ids[file, decode(value)] = 1
        else if (key == "style")
            check_style(file, value)
        else if (key == "alt") {
            has_alt = 1
            alt = value
        } else if (key == "srcset" || key == "poster" || key == "data" ||
                   key == "src" || key ~ /href$/) {
            if (key == "src")
                src = value
            if (outside(value)) {
                if (name != "a" || key != "href")
                    complain(file, "wanted nothing loaded from outside, " \
                        "found <" name " " key "=\"" value "\">")
                else if (value !~ /^(https?|mailto):/)
                    complain(file, "wanted a link into the book or the web, " \
                        "found " value)
            } else
                refer(file, value)
        }
        sub(/^[ \t\n\/]*/, " ", rest)
    }
    if (name == "img" && (!has_alt || alt ~ /^[ \t\n]*$/))
        complain(file, "wanted words for the picture " src \
            ", found no alt text")
    if (name == "script" && file ~ /\.svg$/)
        complain(file, "wanted a picture without a script, found one")
}

NR == FNR { exists[$0] = 1; next }

FILENAME ~ /\.css$/ { check_style(FILENAME, $0); next }

# The first record of a file stands before its first tag.
FNR == 1 { in_style = 0; next }

/^!--/ { next }

{
    check_tag(FILENAME, $0)
    if ($0 ~ /^style/)
        check_style(FILENAME, substr($0, index($0, ">") + 1))
}

END {
    for (i = 1; i <= n_links; i++) {
        file = link_file[i]
        url = link_url[i]
        fragment = ""
        n = index(url, "#")
        if (n) {
            fragment = decode(substr(url, n + 1))
            url = substr(url, 1, n - 1)
        }
        target = file
        if (url != "") {
            target = file
            if (!sub(/[^\/]*$/, "", target))
                target = ""
            target = normal(target decode(url))
        }
        if (!(target in exists)) {
            complain(file, "wanted " link_url[i] ", found no such file")
        } else if (fragment != "" && !((target, fragment) in ids) &&
                   target ~ /\.(html|svg)$/) {
            complain(file, "wanted the place " link_url[i] ", found none")
        }
    }
}
