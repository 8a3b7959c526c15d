#!/usr/bin/env bash
# Hadoop's client of S3 for tests in which Spark itself reads and writes s3a://. Sourced by
# scripts/stores.sh, after scripts/stores_install.sh.

# s3a_install fetches what is missing, and sets TFOS_TEST_S3A_JARS to the folder.
s3a_install() {
    export TFOS_TEST_S3A_JARS=$stores_folder/s3a/jars
    stores_once s3a/installed.xml "$stores_pins/s3a.pom.xml" "Hadoop's client of S3 by Maven (270 MB to download)" \
        stores_jars "$stores_pins/s3a.pom.xml" "$TFOS_TEST_S3A_JARS"
}
