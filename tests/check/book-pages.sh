#!/bin/sh
# The site and the EPUB as a reader's browser will find them: valid HTML, no
# dead link, nothing loaded from elsewhere, no picture without words. Prints
# `file: what` for each finding. Usage: sh tests/check/book-pages.sh FOLDER
set -u
folder=${1:?usage: sh tests/check/book-pages.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
cd "$folder" || exit 1
findings=$(mktemp)
list=$(mktemp)
trap 'rm -f "$findings" "$list"' EXIT

find . -type f ! -path './.work/*' | sed 's|^\./||' | sort > "$list"
pages=$(grep -c '\.html$' "$list")
if [ "$pages" = 0 ]; then
    echo "$folder: wanted the book's pages, found none: run make book first" >&2
    exit 1
fi

# --- Valid HTML --------------------------------------------------------------

# tidy 5.6 knows HTML 5 and MathML, but not everything that is in them.
known='proprietary attribute "aria-current"'
if command -v tidy >/dev/null; then
    grep '\.html$' "$list" | while read -r page; do
        tidy -quiet -errors -utf8 --mute-id no "$page" 2>&1 |
            grep -E '(Warning|Error):' | grep -v "$known" |
            sed "s|^|$page: |"
    done >> "$findings"
else
    echo "tidy: wanted it to check the pages, found none" >> "$findings"
fi

# --- Links, pictures, and what a page loads ----------------------------------

# The list comes first, then every page and picture.
awk -f "$here/book-pages.awk" "$list" RS='<' \
    $(grep -E '\.(html|svg|css)$' "$list") >> "$findings"

# --- The EPUB ----------------------------------------------------------------

# Debian's epubcheck is a jar, which not every kernel starts by itself.
epubcheck=
if command -v epubcheck >/dev/null; then
    for command in epubcheck "java -jar $(command -v epubcheck)"; do
        if [ -z "$epubcheck" ] &&
            $command --version 2>&1 | grep -aq '^EPUBCheck'; then
            epubcheck=$command
        fi
    done
fi

epub="an EPUB that epubcheck finds no fault in"
books=$(grep '\.epub$' "$list")
[ -n "$books" ] || echo "$folder: wanted an EPUB, found none" >> "$findings"
for book in $books; do
    if [ -z "$epubcheck" ]; then
        epub="an EPUB (not checked: there is no epubcheck that starts)"
        continue
    fi
    report=$($epubcheck "$book" 2>&1) && continue
    {
        echo "$report" | grep -E '^(FATAL|ERROR|WARNING)' | sed "s|^|$book: |"
        echo "$book: wanted epubcheck to accept it, found that it does not"
    } >> "$findings"
done

if [ -s "$findings" ]; then
    cat "$findings" >&2
    echo "book-pages: $(wc -l < "$findings" | tr -d ' ') findings" >&2
    exit 1
fi
echo "book-pages: $pages pages, no dead link, nothing from outside; $epub"
