#!/bin/sh
# Known mistakes, each a patch in this folder: applied to a copy of the project,
# the tests of the chapter that it names must fail. The unchanged copy must pass.
# Usage: sh tests/mutants/run.sh BUILD [PATCH...]
set -u
folder=$1/mutants
shift
[ $# -gt 0 ] || set -- tests/mutants/*.patch
patches=
for patch; do
    patches="$patches $PWD/$patch"
done

rm -rf "$folder"
mkdir -p "$folder"
cp -R Makefile src tests chapters docs "$folder/" || exit 1
cd "$folder" || exit 1
log=$PWD/log
# The copy is no part of a repository around it, in which `git apply` would look
# for other files, and quietly pass over these.
GIT_CEILING_DIRECTORIES=$(dirname "$PWD")
export GIT_CEILING_DIRECTORIES

# No sanitizers and little optimisation: what matters is how soon it is built.
quick() {
    make -s -j2 BUILD=build CFLAGS=-O1 WERROR= "$@"
}

quick run-tests > "$log" 2>&1 || {
    cat "$log" >&2
    echo "mutants: wanted the unchanged code to pass, found that it fails" >&2
    exit 1
}
echo "mutants: the unchanged code passes ($(tail -1 "$log"))"

# A checksum of all sources: does a patch change any?
sources() {
    cat src/* docs/weave/* | cksum
}
unchanged=$(sources)

killed=0
survived=0
for patch in $patches; do
    name=$(basename "$patch" .patch)
    chapter=$(sed -n 's/^chapter: //p' "$patch")
    git apply "$patch" || {
        echo "mutants: $name: wanted a patch that applies, found this" >&2
        exit 1
    }
    [ "$(sources)" != "$unchanged" ] || {
        echo "mutants: $name: wanted a patch of src/ or docs/weave/, found no change" >&2
        exit 1
    }
    quick build/tests/chapter"$chapter" > "$log" 2>&1 || {
        cat "$log" >&2
        echo "mutants: $name: wanted code that builds, found this" >&2
        exit 1
    }
    # One test that notices is enough. A mutant that never ends is noticed, too.
    if ARGS=--fail-fast timeout 300 sh tests/run.sh build/tests/chapter"$chapter" \
        > "$log" 2>&1; then
        survived=$((survived + 1))
        echo "mutants: $name SURVIVES the tests of chapter $chapter" >&2
    else
        killed=$((killed + 1))
        echo "mutants: $name: $(grep -E '^[0-9]+ passed' "$log" || echo killed)"
    fi
    git apply -R "$patch" && [ "$(sources)" = "$unchanged" ] || exit 1
done
echo "mutants: $killed killed, $survived survived"
[ $survived = 0 ]
