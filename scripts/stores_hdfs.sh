#!/usr/bin/env bash
# A real HDFS for tests: one name node and one data node, Java processes of this machine on
# loopback ports. Sourced by scripts/stores.sh, which calls the functions; or run:
#
#     scripts/stores_hdfs.sh start    prints TFOS_TEST_HDFS=hdfs://127.0.0.1:PORT
#     scripts/stores_hdfs.sh stop
#
# The data node gives clients of this machine the descriptors of blocks (short-circuit reads), through
# the socket TFOS_TEST_HDFS_SOCKET.
#
# Jars come by Maven (92 MB, once, pinned in scripts/stores/*.pom.xml). Needs a JDK 11 to 17.

source "$(dirname "${BASH_SOURCE[0]}")/stores_install.sh"
source "$(dirname "${BASH_SOURCE[0]}")/stores_java.sh"
hdfs_folder=$stores_folder/hdfs
hdfs_run=$hdfs_folder/run # scripts/stores.sh has one for each call
hdfs_pom=$stores_pins/hdfs.pom.xml
native_pom=$stores_pins/hadoop-native.pom.xml

# hdfs_install fetches what is missing, and sets TFOS_TEST_HADOOP_JARS and TFOS_TEST_HADOOP_NATIVE:
# some tests start and kill servers of their own.
hdfs_install() {
    export TFOS_TEST_HADOOP_JARS=$hdfs_folder/jars TFOS_TEST_HADOOP_NATIVE=$hdfs_folder/native
    stores_need java 'runs HDFS' 'openjdk-17-jdk-headless (Debian)'
    java --list-modules | grep -q '^jdk.compiler' ||
        { echo 'stores: java cannot compile, as the data node asks of it: install openjdk-17-jdk-headless (Debian), not only the JRE' >&2 && return 1; }
    stores_once hdfs/installed.xml "$hdfs_pom" 'Hadoop by Maven (60 MB to download)' hdfs_fetch
    stores_once hdfs/native.xml "$native_pom" "Hadoop's native library by Maven (32 MB to download)" native_fetch
}

hdfs_fetch() {
    stores_jars "$hdfs_pom" "$hdfs_folder/jars" -DincludeScope=runtime &&
        # Bindings of SLF4J to two loggers: keep one.
        rm -f "$hdfs_folder"/jars/log4j-1.2.17.jar "$hdfs_folder"/jars/slf4j-log4j12-*.jar
}

# native_fetch takes libhadoop.so, 0.8 MB, out of its jar.
native_fetch() {
    local fetched=$hdfs_folder/native.new machine
    machine=$(uname -m)
    rm -rf "$hdfs_folder/native"
    stores_jars "$native_pom" "$fetched" &&
        python3 -m zipfile -e "$fetched"/hadoop-apache-*.jar "$fetched/all" &&
        mv "$fetched/all/nativelib/Linux-${machine/x86_64/amd64}" "$hdfs_folder/native" &&
        rm -rf "$fetched"
}

# hdfs_start starts an empty HDFS and sets TFOS_TEST_HDFS and TFOS_TEST_HDFS_SOCKET.
hdfs_start() {
    hdfs_stop
    hdfs_install
    local run=$hdfs_run native=-Djava.library.path=$hdfs_folder/native namenode=org.apache.hadoop.hdfs.server.namenode.NameNode port web
    # The servers look for their web pages on the class path, and need only the folders.
    rm -rf "$run" && mkdir -p "$run/conf/webapps/hdfs" "$run/conf/webapps/datanode"
    java_configure "$run"
    port=$(stores_port) web=$(stores_port)
    cat >"$run/conf/core-site.xml" <<XML
<configuration>
  <property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:$port</value></property>
  <property><name>hadoop.tmp.dir</name><value>$run/tmp</value></property>
</configuration>
XML
    cat >"$run/conf/hdfs-site.xml" <<XML
<configuration>
  <property><name>dfs.replication</name><value>1</value></property>
  <property><name>dfs.namenode.fs-limits.min-block-size</name><value>4096</value></property>
  <property><name>dfs.namenode.http-address</name><value>127.0.0.1:$web</value></property>
  <property><name>dfs.namenode.name.dir</name><value>file://$run/name</value></property>
  <property><name>dfs.namenode.safemode.extension</name><value>0</value></property>
  <property><name>dfs.namenode.resource.du.reserved</name><value>1048576</value></property>
  <property><name>dfs.datanode.data.dir</name><value>file://$run/data</value></property>
  <property><name>dfs.datanode.address</name><value>127.0.0.1:0</value></property>
  <property><name>dfs.datanode.http.address</name><value>127.0.0.1:0</value></property>
  <property><name>dfs.datanode.ipc.address</name><value>127.0.0.1:0</value></property>
  <property><name>dfs.datanode.hostname</name><value>127.0.0.1</value></property>
  <property><name>dfs.client.read.shortcircuit</name><value>true</value></property>
  <property><name>dfs.domain.socket.path</name><value>$run/dn._PORT</value></property>
</configuration>
XML
    (java_run "$run" "$hdfs_folder/jars" "$namenode" -format -force >"$run/format.log" 2>&1)
    java_start "$run" namenode "$hdfs_folder/jars" "$native" "$namenode"
    java_start "$run" datanode "$hdfs_folder/jars" "$native" "$stores_pins/LocalDataNode.java"
    java_await "$run" HDFS "http://127.0.0.1:$web/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem" '"NumLiveDataNodes" : 1' ||
        { hdfs_stop && return 1; }
    export TFOS_TEST_HDFS=hdfs://127.0.0.1:$port TFOS_TEST_HDFS_SOCKET=$run/dn._PORT
}

# hdfs_stop ends what hdfs_start has started.
hdfs_stop() { java_stop "$hdfs_run" KILL; }

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    case ${1:-} in
    start) hdfs_start && env | grep -E '^TFOS_TEST_(HDFS|HADOOP)' ;;
    stop) hdfs_stop ;;
    *) echo 'usage: stores_hdfs.sh start|stop' >&2 && exit 2 ;;
    esac
fi
