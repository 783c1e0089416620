#!/bin/sh
# What the command prints, in sections for the book to quote.
# Usage: sh docs/command.sh MINIMAMBA
set -u
minimamba=$1
echo stub
