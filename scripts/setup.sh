#!/usr/bin/env bash
# Everything that tfos is built and tested with, under this folder: .venv (pinned
# Python packages, and the package tfos of scripts/) and .libtensorflow (links into
# the TensorFlow wheel for the Go linker). Names the package of whatever the machine
# itself lacks. Run by make.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
need() { # need COMMAND WHAT PACKAGE
    command -v "$1" >/dev/null || { echo "setup: $2 not found: install $3" >&2; missing=1; }
}
at_least() { # at_least FOUND LEAST WHAT PACKAGE
    [ "${1:-0}" -ge "$2" ] || { echo "setup: $3 is needed, $1 was found: install $4" >&2; missing=1; }
}
go_package="golang (https://go.dev/dl)"
java_package="openjdk-17-jre-headless (Debian), java-17-openjdk-headless (Fedora)"
need go "Go 1.26 or newer" "$go_package"
need java "Java 17" "$java_package"
need gcc "a C compiler" "gcc (Debian: build-essential)"
# Go 1.21 and newer fetch the version that go.mod names.
! command -v go >/dev/null || at_least "$(go env GOVERSION | sed -E 's/go1\.([0-9]+).*/\1/')" 21 "Go 1.21 or newer" "$go_package"
! command -v java >/dev/null || at_least "$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p')" 17 "Java 17 or newer" "$java_package"
python=${TFOS_SETUP_PYTHON:-}
for candidate in $python python3.11 python3.12 python3.10 python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; then
        python=$candidate
        break
    fi
    python=
done
[ -n "$python" ] || { echo "setup: Python 3.10 to 3.12 with venv not found: install python3.11 python3.11-venv" >&2; missing=1; }
[ "$missing" = 0 ] || exit 1

exec 9<scripts/setup.sh
flock 9 # another make may be at it
wanted=$(cat requirements.txt pyproject.toml VERSION)
if [ -L .venv ]; then
    # A git worktree is linked to the .venv of another checkout, which keeps its own tfos.
    [ "$wanted" = "$(cat .venv/installed.txt)" ] ||
        echo "setup: .venv is a link, and what $(readlink -f .venv) has is not what this folder asks for: remove the link for a .venv of its own" >&2
elif [ "$wanted" != "$(cat .venv/installed.txt 2>/dev/null)" ]; then
    echo "setup: Python packages into .venv ($("$python" --version))"
    "$python" -m venv .venv
    # --no-deps: requirements.txt names all of them, so that nothing else comes in unpinned.
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    echo "$wanted" >.venv/installed.txt
fi

wheel=$(.venv/bin/python -c 'import importlib.util; print(importlib.util.find_spec("tensorflow").submodule_search_locations[0])')
mkdir -p .libtensorflow
for name in cc:libtensorflow.so framework:libtensorflow_framework.so cc:libtensorflow_cc.so.2 framework:libtensorflow_framework.so.2; do
    ln -sfn "$wheel/libtensorflow_${name%%:*}.so.2" ".libtensorflow/${name#*:}"
done
ln -sfn "$wheel/include" .libtensorflow/include
