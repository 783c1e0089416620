#!/bin/sh
# Makes the PDF. Usage: docs/book/pdf.sh OUTPUT.pdf
# Run from the repository's root, after `make weave`. Its engine, XeLaTeX, is
# large, so nothing else asks for it; what is missing is installed first, with
# the machine's package manager, where there is one that has it.
set -eu
out=${1:?usage: docs/book/pdf.sh OUTPUT.pdf}
book=$(dirname "$0")
definitions=${BUILD:-build}/weave/definitions.tsv
. "$book/pages.sh"

has() {
    command -v "$1" >/dev/null 2>&1
}

# Does TeX find this file?
tex() {
    has kpsewhich && [ -n "$(kpsewhich "$1")" ]
}

# --- What is missing ---------------------------------------------------------

manager=none
for candidate in apt-get dnf brew; do
    if has $candidate; then
        manager=$candidate
        break
    fi
done

# need APT DNF BREW: a package, under its manager's name ("-" for none there).
missing=
need() {
    case $manager in
    apt-get) package=$1 ;;
    dnf) package=$2 ;;
    brew) package=$3 ;;
    none) package=$1 ;;
    esac
    [ "$package" = - ] || missing="$missing $package"
}

list_missing() {
    has pandoc || need pandoc pandoc pandoc
    has rsvg-convert || need librsvg2-bin librsvg2-tools librsvg
    # On macOS TeX is a cask, which asks for a password and knows no parts.
    has xelatex || need texlive-xetex texlive-xetex -
    tex scrbook.cls || need texlive-latex-recommended \
        texlive-collection-latexrecommended -
    tex needspace.sty || need texlive-latex-extra \
        "texlive-needspace texlive-fvextra" -
    tex latinmodern-math.otf || need lmodern "texlive-lm texlive-lm-math" -
    tex texgyrepagella-regular.otf || need fonts-texgyre texlive-tex-gyre -
    tex texgyrepagella-math.otf ||
        need fonts-texgyre-math texlive-tex-gyre-math -
    if has fc-list && ! fc-list | grep -q 'DejaVuSansMono\.ttf'; then
        need fonts-dejavu-core dejavu-sans-mono-fonts font-dejavu
    fi
}

list_missing
if [ -n "$missing" ]; then
    as_root=
    if [ $manager != brew ] && [ "$(id -u)" != 0 ]; then
        as_root=sudo
    fi
    case $manager in
    apt-get)
        set -- apt-get install -q -y --no-install-recommends $missing
        ;;
    dnf) set -- dnf install -y $missing ;;
    brew) set -- brew install $missing ;;
    none)
        echo "pdf: wanted apt-get, dnf or brew, found none; install$missing" >&2
        exit 1
        ;;
    esac
    if [ -n "$as_root" ] && ! has sudo; then
        echo "pdf: wanted to be root or to find sudo, found neither; as root:" \
            "$*" >&2
        exit 1
    fi
    [ $manager != apt-get ] || $as_root apt-get update -q
    echo "pdf: $as_root $*"
    $as_root env DEBIAN_FRONTEND=noninteractive "$@" || {
        echo "pdf: wanted to install$missing, found that $manager failed" >&2
        exit 1
    }
fi
if ! has xelatex; then
    echo "pdf: wanted xelatex, found none; install a TeX system that has it" \
        "(on macOS: brew install --cask mactex-no-gui)" >&2
    exit 1
fi

# --- The book ----------------------------------------------------------------

mkdir -p "$(dirname "$out")"
work=$out.work
rm -rf "$work"
mkdir -p "$work/pictures"
list_pages > "$work/pages.tsv" 2> "$work/problems"
: > "$work/files"

# latex MODE ARGUMENTS...: the whole book, as book.lua makes it.
latex() {
    mode=$1
    shift
    pandoc --from gfm --to latex --wrap=preserve \
        --lua-filter "$book/book.lua" --metadata mode="$mode" \
        --metadata work="$work" --metadata definitions="$definitions" \
        "$@" < /dev/null
}

latex outline --output "$work/outline.tex"
rm -f "$work/pictures.list"
latex merged --bibliography docs/references.bib --citeproc \
    --lua-filter "$book/references.lua" \
    --template "$book/template.tex" --top-level-division=chapter \
    --output "$work/book.tex"

sort -u "$work/pictures.list" 2>/dev/null | while read -r picture; do
    case $picture in
    *.svg)
        name=$(echo "${picture%.svg}" | tr / -)
        # On paper it is never dark.
        sed 's/@media *(prefers-color-scheme: *dark)/@media not all/g' \
            "$picture" > "$work/pictures/$name.svg"
        rsvg-convert --format pdf --output "$work/pictures/$name.pdf" \
            "$work/pictures/$name.svg"
        ;;
    esac
done

# Twice for the table of contents, once more for what it moved.
for pass in 1 2 3; do
    xelatex -halt-on-error -interaction=nonstopmode \
        -output-directory "$work" "$work/book.tex" > "$work/book.out" || {
        echo "pdf: wanted XeLaTeX to set $work/book.tex, found:" >&2
        grep -A 5 '^!' "$work/book.out" >&2
        exit 1
    }
done
mv "$work/book.pdf" "$out"

if [ -s "$work/problems" ]; then
    sort -u "$work/problems" | sed 's/^/pdf: /' >&2
    [ -z "${STRICT:-}" ] || exit 1
fi
[ -n "${KEEP:-}" ] || rm -rf "$work"
echo "pdf: $out"
