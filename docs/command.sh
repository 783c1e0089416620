#!/bin/sh
# What the command prints, in sections for the book to quote. A section's title
# is the command line, and what it printed stands below, errors too.
# Usage: sh docs/command.sh MINIMAMBA
set -u
minimamba=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$PWD
folder=$(mktemp -d "${TMPDIR:-/tmp}/minimamba-command.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
cp "$root/tests/golden/scan_odd.safetensors" scan.safetensors

# show NAME WORD...: the section NAME is what `minimamba WORD...` prints.
show() {
    name=$1
    shift
    title=minimamba
    for word; do
        case $word in
        *' '*) title="$title \"$word\"" ;;
        *) title="$title $word" ;;
        esac
    done
    printf '\n== %s: %s\n' "$name" "$title"
    "$minimamba" "$@" 2>&1 | fold -s -w 78
}

show help --help
show generate-help generate --help
show generate generate --prompt "And God said" -n 60
show generate-tokens generate --tokens "1 2 3" -n 4
show seed-1 generate --prompt "In the beginning" -n 60 -t 0.8 --seed 1
show seed-2 generate --prompt "In the beginning" -n 60 -t 0.8 --seed 2
show eval eval --text "$root/chapters/06-full-model/passage.txt" |
    sed "s|$root/||"
show info info
show init-help init --help
show init init --out small --d-model 32 --n-layer 2 --vocab-size 256
show info-small info --model small
show scan scan scan.safetensors out.safetensors
show backends backends

# What goes wrong, and how it is said.
show no-verb
show no-option generate --prompt "And" --temprature 1
show no-number generate --prompt "And" -t hot
show no-model info --model nowhere
head -c 1000 small/model.safetensors > small/cut
mv small/cut small/model.safetensors
show cut-off info --model small
sed 's/"state_size"/"sate_size"/' small/config.json > small/other
mv small/other small/config.json
show misspelt info --model small
show no-token logits --tokens "1 256"
show no-backend scan scan.safetensors out.safetensors --backend cuda
show over-a-model init --out small
exit 0
