#!/usr/bin/env bash
# Does tfos train and predict on this machine's GPU, and how fast beside its CPU?
#
#   scripts/gpu-check.sh [--cpu-only]
#
# It makes .build/gpu-venv with TensorFlow for GPUs (pip), and runs bin/tfos (make build) four
# times: training (local[1]) and inference (without Spark), on the CPU and on one GPU. Standard output has
# the rates. Exit status 0: all runs ended well, and those with a GPU computed on it. 3: there is
# no GPU here. --cpu-only leaves out the GPU, with the TensorFlow of .venv: it tests this script.
set -euo pipefail
cd "$(dirname "$0")/.."

tensorflow='tensorflow[and-cuda]==2.19.1'
gpus="0 1"
case "${1:-}" in
'') ;;
--cpu-only) gpus=0 ;;
*)
    sed -n 's/^#   scripts/usage: scripts/p' "$0" >&2
    exit 2
    ;;
esac
[ -x bin/tfos ] || {
    echo "gpu-check: bin/tfos is not there: run make build" >&2
    exit 2
}
python=$PWD/.venv/bin/python
if [ "$gpus" != 0 ]; then
    nvidia-smi -L >&2 || {
        echo "gpu-check: no GPU here: nvidia-smi lists none" >&2
        exit 3
    }
    [ -x .build/gpu-venv/bin/python ] || "$python" -m venv .build/gpu-venv
    python=$PWD/.build/gpu-venv/bin/python
    "$python" -m pip install --quiet "$tensorflow" pyarrow numpy
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086 # a word a run
"$python" scripts/gpu_check.py "$folder" $gpus
