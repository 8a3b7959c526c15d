#!/usr/bin/env bash
# Another PySpark beside that of .venv: installs VERSION (the newest 4.x by default) into
# .versions, once, and prints the SPARK_HOME in it. Spark's own Python files come with it,
# py4j too; the Python and its other packages stay those in use. Run by `make test-spark4`
# and for the matrix of versions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-4.3.0}
folder=.versions/spark-$version

if [ ! -e "$folder/installed.txt" ]; then
    echo "spark: PySpark $version into $folder (300 to 450 MB to download)" >&2
    rm -rf "$folder"
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target "$folder" "pyspark==$version" >&2
    echo "$version" >"$folder/installed.txt"
fi
echo "$PWD/$folder/pyspark"
