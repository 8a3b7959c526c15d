#!/usr/bin/env bash
# Runs a command, or the tests of internal/store and internal/hadoop, with a real server of
# each remote store:
#
#     scripts/stores.sh [COMMAND...]
#
# A server whose address the environment has is used as it is: TFOS_TEST_S3,
# TFOS_TEST_GCS, TFOS_TEST_AZURE (http://HOST:PORT), TFOS_TEST_HDFS (hdfs://HOST:PORT,
# with TFOS_TEST_HDFS_SOCKET, its dfs.domain.socket.path). The others are installed where they
# are missing, started, and stopped at the end.
# Run by make test-stores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/stores_install.sh
source scripts/stores_objects.sh
source scripts/stores_hdfs.sh
source scripts/stores_s3a.sh

servers=()
for server in s3 gcs azure hdfs; do
    given=TFOS_TEST_${server^^}
    [ -n "${!given:-}" ] || servers+=("$server")
done

mkdir -p .stores
stores_need curl 'asks whether servers answer' 'curl'
s3a_install  # Spark
hdfs_install # some tests start servers of their own
for server in "${servers[@]}"; do "${server}_install"; done

stores_run=$(mktemp -d "$PWD/.stores/run-XXXXXX") # logs, and the files of HDFS
hdfs_run=$stores_run/hdfs
stop() {
    objects_stop
    hdfs_stop
    rm -rf "$stores_run"
}
trap stop EXIT
trap 'exit 1' INT TERM
for server in "${servers[@]}"; do "${server}_start"; done
objects_await

export TFOS_REQUIRE=${TFOS_REQUIRE:+$TFOS_REQUIRE,}stores
if [ $# = 0 ]; then
    set -- make --no-print-directory test-stores-go
fi
"$@"
