#!/bin/bash
# Starts what Spark asks of a container: `driver ARGUMENTS...` or `executor`, as the
# entrypoint.sh of Spark's own images does.
set -euo pipefail

options=() # SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, …
for name in $(compgen -e SPARK_JAVA_OPT_ | sort -t_ -k4 -n); do
    options+=("${!name}")
done
classpath=${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*
if [ -n "${SPARK_CONF_DIR:-}" ]; then
    classpath=$SPARK_CONF_DIR:$classpath
fi
if [ -n "${HADOOP_CONF_DIR:-}" ]; then
    classpath=$HADOOP_CONF_DIR:$classpath
fi

case ${1:-} in
driver)
    shift
    exec "$SPARK_HOME/bin/spark-submit" \
        --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
        --deploy-mode client "$@"
    ;;
executor)
    exec "$JAVA_HOME/bin/java" "${options[@]}" -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" -cp "$classpath" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
*)
    exec "$@"
    ;;
esac
