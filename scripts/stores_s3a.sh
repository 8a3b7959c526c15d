#!/usr/bin/env bash
# Hadoop's client of S3 for tests in which Spark itself reads and writes s3a://. Sourced by
# scripts/stores.sh. The jars come by Maven (270 MB, once, pinned in scripts/stores/s3a.pom.xml).

# s3a_install fetches what is missing, and sets TFOS_TEST_S3A_JARS to the folder.
s3a_install() {
    local root folder pom
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    folder=$root/.stores/s3a pom=$root/scripts/stores/s3a.pom.xml
    export TFOS_TEST_S3A_JARS=$folder/jars
    if cmp -s "$pom" "$folder/installed.xml"; then return; fi
    echo "stores: Hadoop's client of S3 by Maven (270 MB to download)" >&2
    rm -rf "$folder/jars" && mkdir -p "$folder"
    mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$folder/jars" >&2
    cp "$pom" "$folder/installed.xml"
}
