#!/usr/bin/env bash
# The main job, end to end: digits to parquet, tfos train (Spark-fed, 2 executors),
# tfos infer, accuracy on the held-out part. Run by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
export TFOS_PYTHON="$PWD/.venv/bin/python"

phase() { # phase NAME COMMAND…
    local name=$1 start=$SECONDS
    shift
    echo "== $name: $*"
    "$@"
    phases+=("$(printf '%-6s %3d s' "$name" $((SECONDS - start)))")
}
phases=()
phase data "$TFOS_PYTHON" configs/digits/make_data.py demo/data
phase train bin/tfos train configs/digits.yaml
phase infer bin/tfos infer configs/digits-infer.yaml
phase score "$TFOS_PYTHON" configs/digits/accuracy.py demo/predictions
echo "== model: demo/export   predictions: demo/predictions   checkpoints: demo/model"
printf '== %s\n' "${phases[@]}"
