#!/usr/bin/env bash
# Runs a command, or the tests of YARN, with a real YARN on a real HDFS, all on loopback:
#
#     scripts/yarn.sh [COMMAND...]
#
# It starts a name node, a data node, a resource manager and a node manager, and stops them at
# the end. Each call has its own folder and ports. Where HADOOP_CONF_DIR is set, the command
# gets that cluster, and nothing is started. Run by make test-yarn.
#
# It needs what scripts/stores_hdfs.sh needs. The command's environment: HADOOP_CONF_DIR,
# SPARK_CONF_DIR and SPARK_LOCAL_IP for spark-submit; for the tests TFOS_TEST_YARN, the folder of
# the cluster's configuration, TFOS_TEST_YARN_JARS, to start servers, and TFOS_TEST_YARN_OWN, if
# the cluster is not somebody else's: tests may change it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/stores_hdfs.sh

yarn_folder=$stores_folder/yarn
yarn_pom=$stores_pins/yarn.pom.xml

# yarn_install fetches what is missing.
yarn_install() { stores_once yarn/installed.xml "$yarn_pom" 'YARN by Maven (80 MB to download)' yarn_fetch; }

yarn_fetch() {
    stores_jars "$yarn_pom" "$yarn_folder/jars" -DincludeScope=runtime &&
        rm -f "$yarn_folder"/jars/log4j-1.2.17.jar "$yarn_folder"/jars/slf4j-log4j12-*.jar
}

# properties writes a site file: NAME VALUE lines from standard input.
properties() {
    echo '<configuration>'
    while read -r name value; do
        echo "  <property><name>$name</name><value>$value</value></property>"
    done
    echo '</configuration>'
}

# yarn_configure writes what servers, Spark and the tests read.
yarn_configure() {
    local conf=$yarn_run/conf ports
    java_configure "$yarn_run"
    mkdir -p "$yarn_run/spark" "$yarn_run/labels"
    mapfile -t ports < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(8)]
for s in held: print(s.getsockname()[1])')
    yarn_web=http://localhost:${ports[0]}
    properties >"$conf/core-site.xml" <<TEXT
fs.defaultFS $TFOS_TEST_HDFS
hadoop.tmp.dir $yarn_run/tmp
hadoop.http.filter.initializers org.apache.hadoop.security.AuthenticationFilterInitializer
hadoop.http.authentication.type simple
hadoop.http.authentication.simple.anonymous.allowed true
TEXT
    # resource.memory.enforced: with its default, true, Hadoop 3.3 leaves memory to cgroups, and
    # without cgroups no container is ever killed.
    properties >"$conf/yarn-site.xml" <<TEXT
yarn.resourcemanager.hostname localhost
yarn.resourcemanager.webapp.address localhost:${ports[0]}
yarn.resourcemanager.address localhost:${ports[1]}
yarn.resourcemanager.scheduler.address localhost:${ports[2]}
yarn.resourcemanager.resource-tracker.address localhost:${ports[3]}
yarn.resourcemanager.admin.address localhost:${ports[4]}
yarn.nodemanager.hostname localhost
yarn.nodemanager.address localhost:${ports[5]}
yarn.nodemanager.localizer.address localhost:${ports[6]}
yarn.nodemanager.webapp.address localhost:${ports[7]}
yarn.nodemanager.resource.memory-mb 8192
yarn.nodemanager.resource.cpu-vcores 16
yarn.nodemanager.pmem-check-enabled true
yarn.nodemanager.resource.memory.enforced false
yarn.nodemanager.vmem-check-enabled false
yarn.nodemanager.container-monitor.interval-ms 500
yarn.nodemanager.local-dirs $yarn_run/nm
yarn.nodemanager.log-dirs $yarn_run/logs
yarn.nodemanager.delete.debug-delay-sec 0
yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage 99.5
yarn.log-aggregation-enable true
yarn.nodemanager.remote-app-log-dir $TFOS_TEST_HDFS/applogs
yarn.scheduler.minimum-allocation-mb 128
yarn.resourcemanager.nodemanagers.heartbeat-interval-ms 200
yarn.node-labels.enabled true
yarn.node-labels.fs-store.root-dir file://$yarn_run/labels
TEXT
    # Queue small never has room for a member.
    properties >"$conf/capacity-scheduler.xml" <<'TEXT'
yarn.scheduler.capacity.root.queues default,small
yarn.scheduler.capacity.root.accessible-node-labels *
yarn.scheduler.capacity.root.accessible-node-labels.blue.capacity 100
yarn.scheduler.capacity.root.default.capacity 85
yarn.scheduler.capacity.root.default.maximum-capacity 100
yarn.scheduler.capacity.root.default.accessible-node-labels *
yarn.scheduler.capacity.root.default.accessible-node-labels.blue.capacity 100
yarn.scheduler.capacity.root.small.capacity 15
yarn.scheduler.capacity.root.small.maximum-capacity 15
yarn.scheduler.capacity.root.small.accessible-node-labels.blue.capacity 0
yarn.scheduler.capacity.maximum-am-resource-percent 0.9
yarn.scheduler.capacity.node-locality-delay -1
TEXT
    # As a site's: the jars of Spark lie on every host, and processes listen on loopback.
    cat >"$yarn_run/spark/spark-defaults.conf" <<TEXT
spark.yarn.jars                            local:$spark_home/jars/*
spark.yarn.appMasterEnv.SPARK_LOCAL_IP     127.0.0.1
spark.executorEnv.SPARK_LOCAL_IP           127.0.0.1
spark.yarn.appMasterEnv.PYSPARK_PYTHON     $PWD/.venv/bin/python
spark.executorEnv.PYSPARK_PYTHON           $PWD/.venv/bin/python
TEXT
    export HADOOP_CONF_DIR=$conf TFOS_TEST_YARN=$conf TFOS_TEST_YARN_OWN=1 SPARK_CONF_DIR=$yarn_run/spark SPARK_LOCAL_IP=127.0.0.1
}

# yarn_start starts the two servers, and waits until the node is there.
yarn_start() {
    local server
    for server in resourcemanager.ResourceManager nodemanager.NodeManager; do
        java_start "$yarn_run" "$server" "$yarn_folder/jars" "org.apache.hadoop.yarn.server.$server"
    done
    java_await "$yarn_run" YARN "$yarn_web/ws/v1/cluster/nodes" '"RUNNING"'
}

stop() {
    java_stop "$yarn_run" TERM # a node manager then ends its containers
    hdfs_stop
    rm -rf "$yarn_run"
}

export TFOS_REQUIRE=${TFOS_REQUIRE:+$TFOS_REQUIRE,}yarn
if [ $# = 0 ]; then
    set -- make --no-print-directory -j 2 --output-sync=target test-yarn-go test-yarn-jobs
fi
yarn_install
hdfs_install
export TFOS_TEST_YARN_JARS=$yarn_folder/jars
if [ -n "${HADOOP_CONF_DIR:-}" ]; then
    export TFOS_TEST_YARN=$HADOOP_CONF_DIR
    exec "$@"
fi
mkdir -p .stores
spark_home=${SPARK_HOME:-$(.venv/bin/python -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}
yarn_run=$(mktemp -d "$PWD/.stores/yarn-XXXXXX")
hdfs_run=$yarn_run/hdfs
trap stop EXIT
trap 'exit 1' INT TERM
hdfs_start
yarn_configure
yarn_start
"$@"
