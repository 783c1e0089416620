#!/bin/sh
# Every C file is laid out as clang-format lays it out, within 80 columns.
set -u
files=$(find src chapters tests docs -name '*.[ch]')
clang-format --dry-run --Werror $files || exit 1
# In characters: awk would count the bytes of UTF-8.
wide=$(LC_ALL=C.UTF-8 grep -nE '^.{81}' $files Makefile)
if [ -n "$wide" ]; then
    echo "format: wanted at most 80 columns, found" >&2
    echo "$wide" >&2
    exit 1
fi
echo "format: $(echo "$files" | wc -l) files"
