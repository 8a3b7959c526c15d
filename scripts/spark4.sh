#!/usr/bin/env bash
# PySpark 4.x beside the 3.5 of .venv: installs it into .spark4, once, and prints the
# SPARK_HOME in it. Spark's own Python files come with it, py4j too; the Python and its
# other packages stay those of .venv. Run by `make test-spark4`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=4.3.0

if [ "$(cat .spark4/installed.txt 2>/dev/null)" != "$version" ]; then
    echo "spark4: PySpark $version into .spark4 (450 MB to download)" >&2
    rm -rf .spark4
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target .spark4 "pyspark==$version" >&2
    echo "$version" >.spark4/installed.txt
fi
echo "$PWD/.spark4/pyspark"
