#!/usr/bin/env bash
# Does tfos train and predict on this machine's GPU, and how fast beside its CPU?
#
#   scripts/gpu-check.sh [--cpu-only]
#
# It runs bin/tfos (make build): a Python program and a graph program train, and the engine
# predicts, each on the CPU and on one GPU. Then a chief with a GPU and a worker without one train
# together. Standard output has the rates. Exit status 0: all runs ended well, and those with a
# GPU computed on it. 3: there is no GPU here. --cpu-only leaves out the GPU, with the TensorFlow
# of .venv: it tests this script.
#
# TensorFlow with CUDA is that of the Python TFOS_GPU_PYTHON. Without it the script makes
# .build/gpu-venv with pip (4 GB). A machine without a registry takes wheels from a folder:
# PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER scripts/gpu-check.sh
set -euo pipefail
cd "$(dirname "$0")/.."

gpus="1 0" # what may fail first
case "${1:-}" in
'') ;;
--cpu-only) gpus=0 ;;
*)
    sed -n 's/^#   scripts/usage: scripts/p' "$0" >&2
    exit 2
    ;;
esac
die() {
    echo "gpu-check: $1" >&2
    exit "${2:-2}"
}
[ -x bin/tfos ] || die "bin/tfos is not there: run make build"
[ -x .venv/bin/python ] || die ".venv is not there: run make build"
python=$PWD/.venv/bin/python
if [ "$gpus" != 0 ]; then
    command -v nvidia-smi >/dev/null || die "no GPU here: there is no nvidia-smi on PATH" 3
    nvidia-smi -L | grep -q '^GPU ' || die "no GPU here: nvidia-smi lists none" 3
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
    if [ -n "${TFOS_GPU_PYTHON:-}" ]; then
        python=$TFOS_GPU_PYTHON
    else
        [ -x .build/gpu-venv/bin/python ] || "$python" -m venv .build/gpu-venv
        python=$PWD/.build/gpu-venv/bin/python
        tensorflow=$(sed -n 's/^tensorflow==/tensorflow[and-cuda]==/p' requirements.txt)
        "$python" -c 'import tensorflow, nvidia.cudnn, pyarrow' 2>/dev/null ||
            "$python" -m pip install --quiet --disable-pip-version-check --constraint requirements.txt "$tensorflow" pyarrow >&2 ||
            die "pip cannot install $tensorflow: name a Python that has it (TFOS_GPU_PYTHON=…), or a folder of wheels (PIP_NO_INDEX=1 PIP_FIND_LINKS=…)"
    fi
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086 # a word a run
PYTHONPATH=scripts TF_CPP_MIN_LOG_LEVEL=2 "$python" scripts/gpu_check.py "$folder" $gpus
