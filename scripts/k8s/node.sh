#!/usr/bin/env bash
# The processes of the Kubernetes of scripts/k8s.sh: the first process of its namespaces, which
# end with it. K8S_RUN is its folder, K8S_CGROUP the group of its pods. Writes K8S_RUN/ready.
set -euo pipefail
cd "$K8S_RUN"

# Folders of this machine that the programs write to.
mount --make-rshared /
for folder in /run /var/log; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /run/netns /run/lock
# The kubelet writes these settings of the whole machine's kernel if they are others: it is
# shown them as it wants them.
setting() {
    echo "$2" >"conf/$1"
    mount --bind "conf/$1" "/proc/sys/${1//.//}"
}
setting vm.overcommit_memory 1
setting vm.panic_on_oom 0
setting kernel.panic 10
setting kernel.panic_on_oops 1
setting kernel.keys.root_maxkeys 1000000
setting kernel.keys.root_maxbytes 25000000

ip link set lo up
ip addr add 10.96.0.1/32 dev lo  # the service kubernetes: there is no kube-proxy
ip link add eth0 type bridge     # an interface that is up without a peer
ip addr add 10.99.0.1/24 dev eth0
ip link set eth0 up
ip route add default dev eth0
echo 1 >/proc/sys/net/ipv4/ip_forward

begin() { # NAME COMMAND...
    "${@:2}" >"log/$1.log" 2>&1 &
}
await() { # WHAT COMMAND...: until the command succeeds
    local _
    for _ in $(seq 600); do
        if "${@:2}" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "$1 is not ready"
    exit 1
}
admin() { kubectl --kubeconfig conf/admin.kubeconfig "$@"; }

begin etcd etcd --data-dir etcd --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
begin containerd containerd -c conf/containerd.toml
begin apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=0.0.0.0 --secure-port=443 --advertise-address=10.99.0.1 --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
    --service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key \
    --service-account-issuer=https://kubernetes.default.svc --authorization-mode=Node,RBAC \
    --allow-privileged=true --kubelet-preferred-address-types=InternalIP
await containerd ctr -a /run/containerd.sock version
for image in images/*.tar; do
    ctr -a /run/containerd.sock -n k8s.io images import "$image" >>log/images.log 2>&1
done
await 'the API server' admin get --raw /readyz
begin controllers kube-controller-manager --kubeconfig=conf/controllers.kubeconfig \
    --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt \
    --use-service-account-credentials=true --bind-address=127.0.0.1 --leader-elect=false
begin scheduler kube-scheduler --kubeconfig=conf/scheduler.kubeconfig --bind-address=127.0.0.1 --leader-elect=false
begin kubelet kubelet --config=conf/kubelet.yaml --kubeconfig=conf/node.kubeconfig --hostname-override=node1 \
    --node-ip=10.99.0.1 --root-dir="$PWD/kubelet" --cert-dir="$PWD/kubelet-pki"
begin coredns coredns -conf conf/Corefile
ready() { admin get node node1 -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -q True; }
await 'the node' ready
await 'the service account' admin get serviceaccount default
touch ready
wait
