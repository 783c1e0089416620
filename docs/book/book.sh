#!/bin/sh
# Makes the site and the EPUB. Usage: docs/book/book.sh FOLDER
# Run from the repository's root, after `make weave`; $BUILD (default build)
# holds what it made. A page that is not there yet is left out and named;
# STRICT=1 makes that, and whatever else is odd, an error.
set -eu
out=${1:?usage: docs/book/book.sh FOLDER}
book=$(dirname "$0")
definitions=${BUILD:-build}/weave/definitions.tsv
. "$book/pages.sh"

if ! command -v pandoc >/dev/null; then
    echo "book: wanted pandoc, found none; make setup installs it" >&2
    exit 1
fi

mkdir -p "$out"
work=$out/.work
rm -rf "$work"
mkdir -p "$work"
list_pages > "$work/pages.tsv" 2> "$work/problems"

# Nothing of an earlier edition stays.
rm -rf "$out"/*.html "$out/style.css" "$out/pictures" "$out/files"
mkdir -p "$out/pictures" "$out/files"
cp "$book/style.css" "$out/style.css"

# pandoc_page MODE SLUG OUTPUT: one page of the site.
pandoc_page() {
    pandoc --from gfm --to html5 --mathml --wrap=preserve \
        --template "$book/template.html" --lua-filter "$book/book.lua" \
        --metadata mode="$1" --metadata slug="$2" --metadata work="$work" \
        --metadata definitions="$definitions" --metadata pagetitle=MiniMamba \
        $citations --output "$3" < /dev/null
}

citations=
pandoc_page outline - "$work/outline.html"
: > "$work/files"
: > "$work/pictures.list"
while IFS="$tab" read -r slug kind source; do
    citations=
    [ "$kind" != references ] ||
        citations="--bibliography docs/references.bib --citeproc
            --lua-filter $book/references.lua"
    pandoc_page page "$slug" "$out/$slug.html"
done < "$work/pages.tsv"
pages=$(wc -l < "$work/pages.tsv" | tr -d ' ')

# Pictures: as they are (they follow the system's light or dark), and an edition
# for readers who choose the one or the other.
sort -u "$work/pictures.list" | while read -r picture; do
    copy=$out/pictures/$(echo "$picture" | tr / -)
    cp "$picture" "$copy"
    case $picture in
    *.svg)
        dark='@media *(prefers-color-scheme: *dark)'
        sed "s/$dark/@media all/g" "$picture" > "${copy%.svg}.dark.svg"
        sed "s/$dark/@media not all/g" "$picture" > "${copy%.svg}.light.svg"
        ;;
    esac
done

# Files of the repository that a page links to.
citations=
sort -u "$work/files" > "$work/files.all"
while read -r file; do
    mkdir -p "$out/files/$(dirname "$file")"
    [ ! -d "$file" ] || ls "$file" > "$work/listing"
    pandoc_page file "$file" "$out/files/$file.html"
done < "$work/files.all"

# The EPUB, from the same pages.
pandoc --from gfm --to epub3 --mathml --wrap=preserve \
    --lua-filter "$book/book.lua" \
    --metadata mode=merged --metadata work="$work" \
    --metadata definitions="$definitions" --metadata-file "$book/book.yaml" \
    --css "$book/epub.css" --toc --toc-depth=2 $epub_split \
    --bibliography docs/references.bib --citeproc \
    --lua-filter "$book/references.lua" \
    --output "$out/minimamba.epub" < /dev/null

if [ -s "$work/problems" ]; then
    sort -u "$work/problems" | sed 's/^/book: /' >&2
    [ -z "${STRICT:-}" ] || exit 1
fi
[ -n "${KEEP:-}" ] || rm -rf "$work"
echo "book: $pages pages: $out/index.html, $out/minimamba.epub"
