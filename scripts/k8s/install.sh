# shellcheck shell=bash
# What the Kubernetes of scripts/k8s.sh is made of. Sourced by it.
# Programs of Kubernetes, etcd and CoreDNS are built with Go, in the versions of
# scripts/k8s/*/go.mod. containerd, runc and the network plugins are Debian's, unpacked and not
# installed. All of it comes into .k8s, once: some 10 minutes on two cores, 0.5 GB.

k8s_pins=$PWD/scripts/k8s
k8s_folder=$PWD/.k8s
k8s_bin=$(readlink -f "$k8s_folder" 2>/dev/null || echo "$k8s_folder")/bin
k8s_debs=${k8s_bin%/bin}/debs

# k8s_check says what this machine lacks and cannot get.
k8s_check() {
    local missing=()
    [ "$(id -u)" = 0 ] || missing+=(root)
    [ -w /sys/fs/cgroup ] && grep -qE '^cgroup2? ' /proc/mounts || missing+=('cgroups that can be written')
    unshare --net --pid --fork --mount true 2>/dev/null || missing+=('namespaces (unshare)')
    grep -qw overlay /proc/filesystems || missing+=('the overlay file system')
    for program in go gcc openssl ip nsenter dpkg apt-get python3; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} = 0 ] && return
    printf -v missing '%s, ' "${missing[@]}"
    echo "k8s: a Kubernetes on this machine needs ${missing%, }: name a cluster by KUBECONFIG and TFOS_TEST_K8S_CONF" >&2
    return 1
}

# k8s_install builds what is missing. Two calls at once build it once.
k8s_install() {
    mkdir -p "$k8s_bin"
    (
        flock 9
        k8s_unpack
        k8s_build kubernetes k8s.io/kubernetes/cmd/{kube-apiserver,kubelet,kube-controller-manager,kube-scheduler,kubectl}
        k8s_build etcd go.etcd.io/etcd/server/v3
        k8s_build coredns github.com/coredns/coredns
        rm -rf "$k8s_bin/../gocache"
        [ -x "$k8s_bin/pause" ] || gcc -O1 -static -o "$k8s_bin/pause" "$k8s_pins/pause.c"
    ) 9>"$k8s_bin/lock"
}

# k8s_build PINS PACKAGE...: builds the programs, in the versions of PINS/go.mod.
k8s_build() {
    local pins=$1 mod=$k8s_pins/$1/go.mod flags='-s -w' minor
    shift
    cmp -s "$mod" "$k8s_bin/$pins.mod" && return
    echo "k8s: $pins, built with Go" >&2
    if [ "$pins" = kubernetes ]; then # its Makefile writes the version in
        minor=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes v1\.\([0-9.]*\).*/\1/p' "$mod")
        flags+=" -X k8s.io/component-base/version.gitVersion=v1.$minor"
        flags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%.*}"
    fi
    local package program
    for package; do
        program=${package##*/}
        [ "$pins" = etcd ] && program=etcd # not the package's name
        (cd "$k8s_pins/$pins" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOCACHE=$k8s_bin/../gocache \
            go build -trimpath -ldflags "$flags" -o "$k8s_bin/$program" "$package") >&2
    done
    cp "$mod" "$k8s_bin/$pins.mod"
}

# k8s_unpack gets Debian's packages in the version that this Debian has.
k8s_unpack() {
    [ -x "$k8s_debs/usr/bin/containerd" ] && return
    echo 'k8s: containerd, runc and network plugins of Debian' >&2
    local download=$k8s_debs.new deb
    rm -rf "$download" && mkdir -p "$download/deb"
    (cd "$download/deb" && apt-get download -q containerd runc containernetworking-plugins) >&2
    for deb in "$download"/deb/*.deb; do dpkg -x "$deb" "$download"; done
    rm -rf "$download/deb" "$k8s_debs"
    mv "$download" "$k8s_debs"
}
