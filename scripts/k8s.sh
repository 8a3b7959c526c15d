#!/usr/bin/env bash
# Runs a command with a real Kubernetes of one node and real pods:
#
#     scripts/k8s.sh COMMAND...
#
# The command has KUBECONFIG (an administrator's), and TFOS_TEST_K8S_CONF: a file of Spark
# settings that jobs on the cluster need, such as the image. It runs in the cluster's network
# namespace, where pods reach it as 10.99.0.1. The rest of the network is not there.
#
# With KUBECONFIG and TFOS_TEST_K8S_CONF set, that cluster is used, and nothing is started.
# The image of configs/kubernetes/Containerfile is what jobs need there.
#
# The cluster's processes have namespaces of their own (network, processes, mounts) and are
# gone with them. Several clusters can run at once. Needs root, cgroups, Debian's packages and
# a Go proxy; binaries are built into .k8s once. Run by make test-k8s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/k8s/install.sh
source scripts/k8s/cluster.sh

if [ $# = 0 ]; then
    sed -n 's/^# *scripts/usage: scripts/p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
export TFOS_REQUIRE=${TFOS_REQUIRE:+$TFOS_REQUIRE,}k8s
if [ -n "${KUBECONFIG:-}" ] && [ -n "${TFOS_TEST_K8S_CONF:-}" ]; then
    exec "$@"
fi
k8s_check
k8s_install
k8s_run=$(mktemp -d "$PWD/.k8s/run-XXXXXX") # logs, pods, the cluster's state
trap k8s_stop EXIT
trap 'exit 1' INT TERM
k8s_start
PATH=$k8s_bin:$PATH nsenter --net="/proc/$k8s_init/ns/net" -- "$@"
