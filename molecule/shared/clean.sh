#!/bin/bash
# clean.sh CONTAINERS FOLDER: waits for the end of its input, then takes away the processes that work in the folder, the
# containers of that name, and the folder.
set -uo pipefail # it goes on to the next, whatever one says
cat >/dev/null
while mapfile -t left < <(grep -lszF -- "$2" /proc/[0-9]*/environ | cut -d/ -f3) && [ "${#left[@]}" -gt 0 ]; do
  kill -9 "${left[@]}" 2>/dev/null
  sleep 0.1
done
"$(dirname "$0")/remove.sh" "$1"
rm -rf --one-file-system "$2"
