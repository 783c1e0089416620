# The book's pages, in order: what book.sh and pdf.sh share.
tab=$(printf '\t')

# page SLUG KIND SOURCE...: a line of the table, where the sources exist.
page() {
    slug=$1
    kind=$2
    shift 2
    found=
    for source; do
        if [ -f "$source" ]; then
            found="$found $source"
        else
            echo "$source: wanted this page, found none" >&2
        fi
    done
    # The first page and those that are made of tables are always there.
    if [ $# = 0 ] || [ -n "$found" ] || [ "$kind" = preface ]; then
        found=${found# }
        printf '%s\t%s\t%s\n' "$slug" "$kind" "${found:-${1-}}"
    fi
}

list_pages() {
    page index preface docs/preface.md
    for folder in chapters/[0-9]*; do
        page "$(basename "$folder")" chapter "$folder/README.md"
    done
    for name in notation ground-floor files command-line benchmarks; do
        page $name appendix docs/$name.md
    done
    page answers answers chapters/[0-9]*/exercises/answers.md
    page function-index index
    page references references
}

# pandoc 3 has a new name for this.
epub_split=--epub-chapter-level=1
if pandoc --help | grep -q -- --split-level; then
    epub_split=--split-level=1
fi
