#!/bin/sh
# The command and the programs under valgrind, built for x86-64-v3: valgrind
# knows no AVX-512. Usage: sh tests/check/valgrind.sh BUILD
set -u
if ! command -v valgrind >/dev/null; then
    echo "valgrind: not run: there is none for $(uname -s)"
    exit 0
fi
folder=$1/valgrind
arch=
[ "$(uname -m)" = x86_64 ] && arch=x86-64-v3
mkdir -p "$folder"
# OpenBLAS chooses its kernels by the processor, not by our flags.
export OPENBLAS_CORETYPE=HASWELL
make -s -j2 BUILD="$folder" ARCH=$arch OPENMP=none CFLAGS="-O1 -g" all ||
    exit 1

# Runs a command that must end with the status $1 and leave memory clean.
clean() {
    wanted=$1
    shift
    valgrind -q --error-exitcode=99 --leak-check=full \
        --errors-for-leak-kinds=definite "$@" > "$folder/out" 2> "$folder/err"
    status=$?
    if [ $status != "$wanted" ]; then
        cat "$folder/err" >&2
        echo "valgrind: $*: wanted status $wanted, found $status" >&2
        exit 1
    fi
}

minimamba=$folder/minimamba
model=chapters/06-full-model/kjv-mamba
clean 0 "$minimamba" generate --prompt "And God" -n 4 --temperature 1 --seed 3
clean 0 "$minimamba" generate --model $model --tokens "1 2 3" -n 2 --top-p 0.9
clean 0 "$minimamba" logits --text "In the"
clean 0 "$minimamba" info --model $model
clean 0 "$minimamba" backends
rm -rf "$folder/model"
clean 0 "$minimamba" init --out "$folder/model" --d-model 16 --n-layer 2 \
    --vocab-size 250 --bias --untied
clean 0 "$minimamba" logits --model "$folder/model" --tokens "0 1 249"
for backend in reference double cpu parallel tree; do
    clean 0 "$minimamba" scan tests/golden/scan_odd.safetensors \
        "$folder/scan.safetensors" --backend $backend
done
clean 1 "$minimamba" info --model /nowhere
clean 1 "$minimamba" logits --model tests/golden --tokens 1
clean 1 "$minimamba" logits --tokens "1 256"
head -c 1000 $model/model.safetensors > "$folder/model/model.safetensors"
clean 1 "$minimamba" info --model "$folder/model"
clean 2 "$minimamba" generate
for chapter in 1 2 3 5; do
    clean 0 "$folder/chapter$chapter" --tsv "$folder"
done
clean 0 "$folder/chapter4" --sequences 200 --longest 64 --tsv "$folder"
echo "valgrind: clean"
