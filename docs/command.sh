#!/bin/sh
# What the command prints, in sections for the book to quote. A section's title
# is the command line, and what it printed stands below, errors too.
# Usage: sh docs/command.sh MINIMAMBA
set -u
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$PWD
folder=$(mktemp -d "${TMPDIR:-/tmp}/minimamba-command.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
ln -s "$root/chapters" "$root/tests" .

minimamba() {
    "$program" "$@"
}

# show NAME LINE: the section NAME is what this line of shell prints.
show() {
    printf '\n== %s: %s\n' "$1" "$2"
    eval "$2" 2>&1 | fold -s -w 80
}

# statuses NAME LINE...: the section NAME has each line's exit status.
statuses() {
    printf '\n== %s: What echo $? prints after these\n' "$1"
    shift
    for line; do
        (eval "$line") >/dev/null 2>&1 </dev/null
        printf '%s  %s\n' $? "$line"
    done
}

show help 'minimamba --help'

show generate 'minimamba generate --prompt "And God said" -n 60'
show generate-greedy \
    'minimamba generate --prompt "In the beginning God created"'
show generate-tokens 'minimamba generate --tokens "1 2 3" -n 4'
show generate-help 'minimamba generate --help'
show seed-1 \
    'minimamba generate --prompt "In the beginning" -n 60 -t 0.8 --seed 1'
show seed-2 \
    'minimamba generate --prompt "In the beginning" -n 60 -t 0.8 --seed 2'

show logits-shape \
    'minimamba logits --text "And God" | awk "END { print NR, NF }"'
show logits-corner 'minimamba logits --text "And God" | cut -f 98-100'
show eval 'minimamba eval --text chapters/06-full-model/passage.txt'
show eval-pipe 'printf "And God said" | minimamba eval --text -'
show info 'minimamba info'
show info-int8 'minimamba info --weights int8 | grep -E "^weights|_bytes"'
text=chapters/06-full-model/passage.txt
show eval-weights \
    'for w in f32 bf16 int8; do minimamba eval -w $w --text $text | tail -n 1; done'

show init-help 'minimamba init --help'
minimamba init --out small --d-model 32 --n-layer 2 --vocab-size 256
show info-small 'minimamba info --model small'
show config 'cat small/config.json'
show length 'head -c 8 small/model.safetensors | od -A n -t u8'
show header \
    'tail -c +9 small/model.safetensors | head -c 420 | fold -w 76; echo'
minimamba scan tests/golden/scan_odd.safetensors out.safetensors
show scan-out 'tail -c +9 out.safetensors | head -c 184 | fold -w 76; echo'
show backends 'minimamba backends'
show bench-help 'minimamba bench --help'
show bench-list 'minimamba bench --list | expand -t 12'

# What goes wrong, and how it is said.
statuses statuses 'minimamba info' 'minimamba info --model nowhere' \
    'minimamba info --modle nowhere' 'minimamba'
show no-option 'minimamba generate --prompt "And" --temprature 1'
show no-number 'minimamba generate --prompt "And" -t hot'
show no-model 'minimamba info --model nowhere'
show no-tensor 'minimamba scan small/model.safetensors out.safetensors'
head -c 1000 small/model.safetensors >small/cut
mv small/cut small/model.safetensors
show cut-off 'minimamba info --model small'
sed 's/"state_size"/"sate_size"/' small/config.json >small/other
mv small/other small/config.json
show misspelt 'minimamba info --model small'
show no-weights 'minimamba info --weights int4'
show no-token 'minimamba logits --tokens "1 256"'
show no-backend 'minimamba eval --text README.md --backend cuda'
show over-a-model 'minimamba init --out small'
exit 0
