# shellcheck shell=bash
# Starts and stops the Kubernetes of scripts/k8s.sh, which sources it and sets k8s_run.

# k8s_start starts the cluster and waits until its node is ready. It sets k8s_init, the
# process whose end is the end of all others, KUBECONFIG and TFOS_TEST_K8S_CONF.
k8s_start() {
    mkdir -p "$k8s_run"/{log,conf,pki,cni}
    k8s_cgroup=tfos-k8s-$$
    k8s_certificates
    k8s_configure
    .venv/bin/python "$k8s_pins/image.py" configs/kubernetes/Containerfile "$k8s_bin/pause" "$k8s_run/images" "$k8s_run/spark.properties"
    k8s_make_cgroups
    K8S_RUN=$k8s_run K8S_CGROUP=$k8s_cgroup PATH=$k8s_bin:$k8s_debs/usr/bin:$k8s_debs/usr/sbin:$k8s_debs/usr/lib/cni:/usr/sbin:/usr/bin:/sbin:/bin \
        unshare --net --pid --mount --fork --kill-child --mount-proc bash "$k8s_pins/node.sh" >"$k8s_run/log/node.log" 2>&1 &
    k8s_unshare=$!
    for _ in $(seq 900); do
        [ -e "$k8s_run/ready" ] && break
        kill -0 "$k8s_unshare" 2>/dev/null || break
        sleep 0.1
    done
    if [ ! -e "$k8s_run/ready" ]; then
        echo 'k8s: the cluster did not start:' >&2
        tail -n 8 "$k8s_run"/log/*.log >&2
        return 1
    fi
    k8s_init=$(cat "/proc/$k8s_unshare/task/$k8s_unshare/children")
    k8s_init=${k8s_init%% *}
    export KUBECONFIG=$k8s_run/conf/admin.kubeconfig TFOS_TEST_K8S_CONF=$k8s_run/spark.properties
}

# k8s_stop ends the cluster: the kernel kills all processes of the namespace with its first,
# and the mounts are gone with the last.
k8s_stop() {
    local pods=(/sys/fs/cgroup{,/*}/"${k8s_cgroup:-none}")
    if [ -n "${k8s_unshare:-}" ]; then
        kill -KILL "$k8s_unshare" 2>/dev/null || true # its child has it as its death signal
        wait "$k8s_unshare" 2>/dev/null || true
    fi
    for _ in $(seq 100); do
        find "${pods[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true
        compgen -G "/sys/fs/cgroup/*/${k8s_cgroup:-none}" >/dev/null || [ -d "/sys/fs/cgroup/${k8s_cgroup:-none}" ] || break
        sleep 0.1
    done
    [ -z "${TFOS_K8S_LOGS:-}" ] || cp -r "$k8s_run/log" "$TFOS_K8S_LOGS"
    rm -rf --one-file-system "$k8s_run"
}

# k8s_make_cgroups makes the group of all pods in each hierarchy: two kubelets in one would
# end each other's pods.
k8s_make_cgroups() {
    local hierarchy group file
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mkdir "/sys/fs/cgroup/$k8s_cgroup"
        return
    fi
    for hierarchy in $(awk '$3 == "cgroup" { print $2 }' /proc/mounts | sort -u); do
        group=$hierarchy/$k8s_cgroup
        mkdir "$group" 2>/dev/null || continue
        for file in cpuset.cpus cpuset.mems; do # a new set is empty
            [ ! -e "$group/$file" ] || cat "$hierarchy/$file" >"$group/$file"
        done
    done
}

k8s_certificates() (
    cd "$k8s_run/pki"
    exec 2>openssl.log
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=tfos-test -days 2
    openssl genrsa -out sa.key 2048
    openssl rsa -in sa.key -pubout -out sa.pub
    leaf() { # NAME SUBJECT [NAMES]
        openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2"
        openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
            -extfile <(echo "subjectAltName=${3:-DNS:$1}")
    }
    leaf apiserver /CN=kube-apiserver "DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:10.99.0.1"
    leaf admin /O=system:masters/CN=admin
    leaf controllers /CN=system:kube-controller-manager
    leaf scheduler /CN=system:kube-scheduler
    leaf node /O=system:nodes/CN=system:node:node1
    local name
    for name in admin controllers scheduler node; do
        cat >"../conf/$name.kubeconfig" <<JSON
{"apiVersion": "v1", "kind": "Config", "current-context": "test",
 "clusters": [{"name": "test", "cluster": {"server": "https://10.99.0.1", "certificate-authority-data": "$(base64 -w0 <ca.crt)"}}],
 "users": [{"name": "$name", "user": {"client-certificate-data": "$(base64 -w0 <"$name.crt")", "client-key-data": "$(base64 -w0 <"$name.key")"}}],
 "contexts": [{"name": "test", "context": {"cluster": "test", "user": "$name"}}]}
JSON
    done
)

k8s_configure() {
    cat >"$k8s_run/conf/containerd.toml" <<TOML
version = 2
root = "$k8s_run/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$k8s_run/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/tfos/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true # the kernel refuses lower scores here
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$k8s_debs/usr/sbin/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$k8s_debs/usr/lib/cni"
    conf_dir = "$k8s_run/cni"
TOML
    cat >"$k8s_run/conf/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$k8s_cgroup
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix:///run/containerd.sock
clusterDNS: [10.99.0.1]
clusterDomain: cluster.local
resolvConf: $k8s_run/conf/resolv.conf
enforceNodeAllocatable: []
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
serializeImagePulls: false
podLogsDir: $k8s_run/pods
volumePluginDir: $k8s_run/plugins
nodeStatusUpdateFrequency: 5s
YAML
    echo 'nameserver 10.99.0.1' >"$k8s_run/conf/resolv.conf"
    cat >"$k8s_run/conf/Corefile" <<TEXT
.:53 {
  bind 10.99.0.1
  errors
  kubernetes cluster.local {
    kubeconfig $k8s_run/conf/admin.kubeconfig test
  }
}
TEXT
    cat >"$k8s_run/cni/10-bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "tfos", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
}
