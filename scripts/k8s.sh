#!/usr/bin/env bash
# Runs a command with a real Kubernetes of one node and real pods:
#
#     scripts/k8s.sh COMMAND...
#
# The command has KUBECONFIG (an administrator's), and TFOS_TEST_K8S_CONF: a file of Spark
# settings that jobs on the cluster need, such as the image; and TFOS_TEST_S3, a store that pods
# reach (moto, http://HOST:PORT). It runs in the cluster's network namespace, where pods reach it
# as 10.99.0.1. The rest of the network is not there.
#
# With KUBECONFIG and TFOS_TEST_K8S_CONF set, that cluster is used, and nothing is started.
# The image of configs/kubernetes/Containerfile is what jobs need there. Its nodes must have the
# folders of this machine that pods are given: that of the tests (TMPDIR), and of the binaries.
#
# The cluster's processes have namespaces of their own (network, processes, mounts) and are
# gone with them. Several clusters can run at once. Needs root, cgroups, Debian's packages and
# a Go proxy; binaries are built into .k8s once. Run by make test-k8s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/k8s/install.sh
source scripts/k8s/cluster.sh
source scripts/stores_install.sh
source scripts/stores_objects.sh

if [ $# = 0 ]; then
    sed -n '/^# *scripts.k8s.sh COMMAND/s/^# */usage: /p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
export TFOS_REQUIRE=${TFOS_REQUIRE:+$TFOS_REQUIRE,}k8s
if [ -n "${KUBECONFIG:-}" ] && [ -n "${TFOS_TEST_K8S_CONF:-}" ]; then
    exec "$@"
fi
k8s_check
k8s_install
s3_install
k8s_run=$(mktemp -d "$PWD/.k8s/run-XXXXXX") # logs, pods, the cluster's state
stores_run=$k8s_run/log
stop() {
    objects_stop
    k8s_stop
}
trap stop EXIT
trap 'exit 1' INT TERM
k8s_start
objects_within=(nsenter --net="/proc/$k8s_init/ns/net" --)
export TFOS_TEST_S3=http://10.99.0.1:5000
objects_begin moto "$TFOS_TEST_S3" "$stores_folder/moto/bin/moto_server" -H 10.99.0.1 -p 5000
objects_await
PATH=$k8s_bin:$PATH "${objects_within[@]}" "$@"
