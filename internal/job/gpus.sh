#!/bin/sh
# Prints the GPUs of this executor as Spark's discovery reads them. MIG instances stand in the
# place of their GPU. nvidia-smi fails if one device is lost: the others are printed all the same.
list=$(nvidia-smi -L)
printf '%s\n' "$list" | awk -v status=$? '
  match($0, /\(UUID: *[^)]*\)/) {
    id = substr($0, RSTART, RLENGTH)
    gsub(/\(UUID: *|[ \r]*\)/, "", id)
    if ($1 == "MIG") { if (!instances) n--; instances = 1; ids[n++] = id }
    else { instances = 0; ids[n++] = id }
  }
  END {
    if (!n && status) exit 1
    printf "{\"name\": \"gpu\", \"addresses\": ["
    for (i = 0; i < n; i++) printf "%s\"%s\"", (i ? ", " : ""), ids[i]
    print "]}"
  }'
