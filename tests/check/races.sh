#!/bin/sh
# The scans and the model under the thread sanitizer. It has to see how OpenMP
# orders its threads: LLVM's runtime tells it so, through its tool Archer.
# Usage: sh tests/check/races.sh BUILD
set -u
folder=$1/races
archer=$(find /usr/lib -name 'libarcher.so' 2>/dev/null | head -1)
if [ -z "$archer" ]; then
    echo "races: not run: wanted LLVM's libarcher.so, found none"
    exit 0
fi
export OMP_TOOL_LIBRARIES=$archer OMP_NUM_THREADS=4
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1"
make -s -j2 BUILD="$folder" CC=clang BLAS=none \
    CFLAGS="-O1 -g -fsanitize=thread" "$folder/minimamba" || exit 1
for backend in cpu parallel; do
    for case in scan_long scan_odd; do
        "$folder/minimamba" scan tests/golden/$case.safetensors \
            "$folder/out.safetensors" --backend $backend || exit 1
    done
    "$folder/minimamba" eval --text chapters/06-full-model/passage.txt \
        --backend $backend > "$folder/out" || exit 1
done
echo "races: none"
