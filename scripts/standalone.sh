#!/usr/bin/env bash
# A real Spark standalone cluster on this machine: a master and workers, each a daemon in
# a session of its own, on the loopback address and on free ports.
#
#   scripts/standalone.sh start [--workers 3] [--cores 3] [--memory 2g] [--dir D]
#   scripts/standalone.sh status|url|stop [--dir D]
#
# start   waits until every worker is registered; standard output is the spark:// URL. If
#         the same cluster runs already, that is its answer too.
# status  exit 0: every daemon runs, 1: not all, 3: there is no cluster in D.
# stop    ends the daemons and whatever they started, and removes D (.build/standalone).
#
# Spark is SPARK_HOME, or else the pip pyspark of TFOS_PYTHON or .venv. Executors' Python is
# PYSPARK_PYTHON, or else the same. Temporary files of executors are in D/tmp.
# D/pids has a line for each daemon: name, pid, start time of the process. All processes of
# the cluster have the word of D/mark in their environment: stop ends these and no others.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
start_seconds=90 # for the whole cluster; 15 s is usual on 2 cores
stop_seconds=15  # for daemons and executors to end by SIGTERM

main() {
    local command=${1:-}
    workers=3 cores=3 memory=2g dir=$root/.build/standalone
    case $command in
    start | status | stop | url) shift ;;
    *) usage ;;
    esac
    while [ $# -gt 0 ]; do
        [ $# -ge 2 ] || usage
        case $command$1 in
        start--workers) workers=$(count "$@") ;;
        start--cores) cores=$(count "$@") ;;
        start--memory) memory=$2 ;;
        *--dir) dir=$(realpath -m -- "$2") ;;
        *) usage ;;
        esac
        shift 2
    done
    "$command"
}

usage() {
    sed -n 's/^#  *scripts/usage: scripts/p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

count() { # count FLAG VALUE
    [[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 $2: must be a whole number from 1"
    echo "$2"
}

say() { echo "standalone: $*" >&2; }
die() {
    say "$@"
    exit 1
}

start() {
    find_spark
    local shape="$workers workers of $cores cores and $memory, Spark $home, Python $PYSPARK_PYTHON"
    lock
    if exists; then
        all_run || die "the cluster in $dir is not whole; run: $0 stop --dir $dir"
        [ "$(<"$dir/shape")" = "$shape" ] || die "another cluster runs in $dir ($(<"$dir/shape")): stop it first, or name another --dir"
        say "runs already"
        cat "$dir/url"
        return
    fi
    [ -z "$(ls -A "$dir" 2>/dev/null)" ] || die "$dir is not empty: name another --dir"
    mkdir -p "$dir/tmp"
    trap 'end_cluster' EXIT # however start ends, Ctrl-C included, until all is well
    mark=$(</proc/sys/kernel/random/uuid)
    echo "$mark" >"$dir/mark"
    echo "$shape" >"$dir/shape"
    : >"$dir/pids"
    start_daemons
    echo "$url" >"$dir/url"
    trap - EXIT
    say "$shape"
    echo "$url"
}

start_daemons() {
    local deadline=$((SECONDS + start_seconds)) host=(--host 127.0.0.1 --port 0 --webui-port 0) i
    daemon master org.apache.spark.deploy.master.Master "${host[@]}"
    await master 'Starting Spark master at (spark://[^ ]+)'
    url=${BASH_REMATCH[1]}
    for ((i = 0; i < workers; i++)); do
        daemon "worker-$i" org.apache.spark.deploy.worker.Worker "${host[@]}" \
            --cores "$cores" --memory "$memory" --work-dir "$dir/work-$i" "$url"
    done
    for ((i = 0; i < workers; i++)); do
        await "worker-$i" 'Successfully registered with master'
    done
}

status() {
    local name pid begin state
    exists || {
        say "no cluster in $dir"
        exit 3
    }
    echo "$(cat "$dir/url" 2>/dev/null || echo "not started"): $(<"$dir/shape")"
    while read -r name pid begin; do
        state=dead
        ! alive "$pid" "$begin" || state=runs
        printf '%-10s %7d  %s\n' "$name" "$pid" "$state"
    done <"$dir/pids"
    all_run
}

url() {
    all_run || die "no cluster runs in $dir"
    cat "$dir/url"
}

stop() {
    lock
    if exists; then end_cluster; else say "no cluster in $dir"; fi
}

# exists: D was made by start.
exists() { [ -f "$dir/mark" ] && [ -f "$dir/pids" ] && [ -f "$dir/shape" ]; }

# lock: one start or stop at a time among the clusters of one parent folder. The lock is on
# that folder, so that nothing is left of it.
lock() {
    mkdir -p "$(dirname "$dir")"
    exec 9<"$(dirname "$dir")"
    flock -w "$start_seconds" 9 || die "another start or stop is busy in $(dirname "$dir")"
}

find_spark() {
    local python=${TFOS_PYTHON:-$root/.venv/bin/python}
    home=${SPARK_HOME:-}
    if [ -z "$home" ]; then
        home=$("$python" -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])' 2>/dev/null) ||
            die "no pyspark in $python: run make setup, or set SPARK_HOME or TFOS_PYTHON"
    fi
    [ -x "$home/bin/spark-class" ] || die "$home has no bin/spark-class: set SPARK_HOME to a Spark installation"
    export SPARK_HOME=$home PYSPARK_PYTHON=${PYSPARK_PYTHON:-$python}
}

# daemon NAME CLASS ARGUMENT…
daemon() {
    local name=$1
    shift
    : >"$dir/$name.log"
    # The REST server would want port 6066. Without -UsePerfData a JVM that is killed leaves
    # a file in /tmp.
    TFOS_STANDALONE=$mark \
        SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS=$dir/tmp TMPDIR=$dir/tmp SPARK_DAEMON_MEMORY=256m \
        SPARK_DAEMON_JAVA_OPTS="${SPARK_DAEMON_JAVA_OPTS:-} \"-Djava.io.tmpdir=$dir/tmp\" -XX:-UsePerfData -Dspark.master.rest.enabled=false" \
        SPARK_LAUNCHER_OPTS="${SPARK_LAUNCHER_OPTS:-} -XX:-UsePerfData" \
        setsid "$home/bin/spark-class" "$@" </dev/null >>"$dir/$name.log" 2>&1 9<&- &
    echo "$name $! $(begin_of $!)" >>"$dir/pids"
}

# await NAME PATTERN: wait for a line of a daemon's log; its match is in BASH_REMATCH.
await() {
    local name=$1 pattern=$2 line reader patience=$((deadline - SECONDS))
    exec 3< <(exec timeout "$((patience > 0 ? patience : 1))" tail -n +1 -s 0.2 -f --pid="$(pid_of "$name")" "$dir/$name.log")
    reader=$!
    while read -r line <&3; do
        if [[ $line =~ $pattern ]]; then
            kill "$reader" 2>/dev/null || true # it may have just ended
            exec 3<&-
            return
        fi
    done
    say "$name did not start; the end of its log:"
    tail -n 15 "$dir/$name.log" >&2
    exit 1
}

pid_of() { awk -v name="$1" '$1 == name { print $2 }' "$dir/pids"; }

# begin_of PID: the start time of a process in clock ticks since boot (proc(5), stat, field
# 22), which tells a process from a later one with the same pid. 0: there is none.
begin_of() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || { echo 0 && return; }
    read -ra fields <<<"${stat##*) }" # the name before it may have spaces
    if [ "${fields[0]}" = Z ]; then echo 0; else echo "${fields[19]}"; fi
}

alive() { [ "$2" != 0 ] && [ "$(begin_of "$1")" = "$2" ]; } # alive PID START-TIME

all_run() {
    local pid begin
    [ -s "$dir/url" ] || return 1
    while read -r _ pid begin; do
        alive "$pid" "$begin" || return 1
    done <"$dir/pids"
}

# marked: pids of daemons, of executors and of what these started: they inherit the mark.
marked() {
    grep -lzxF "TFOS_STANDALONE=$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3 || true
}

# end_cluster: end all marked processes and remove D.
end_cluster() {
    mark=$(<"$dir/mark")
    end_with TERM || end_with KILL || die "cannot end $(marked | tr '\n' ' ')"
    rm -rf "$dir"
}

# end_with SIGNAL: whether it ended all marked processes, and those that they started.
end_with() {
    local deadline=$((SECONDS + stop_seconds)) pid
    for pid in $(marked); do
        kill "-$1" "$pid" 2>/dev/null || true # it may have just ended
    done
    for pid in $(marked); do
        timeout $((deadline > SECONDS ? deadline - SECONDS : 1)) tail -s 0.1 -f --pid="$pid" /dev/null || return
    done
    [ -z "$(marked)" ]
}

main "$@"
