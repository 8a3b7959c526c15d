#!/usr/bin/env bash
# Servers of Hadoop for tests: Java processes of this machine. Sourced by scripts/stores_hdfs.sh
# and scripts/yarn.sh.
#
# Servers that start and end together have a folder RUN: conf/, which is on the class path, and
# NAME.log of each server. RUN/pids has a process id and the folder of the jars, a line each.

# java_configure RUN: makes the folder of the configuration, with Log4j's.
java_configure() {
    mkdir -p "$1/conf"
    cat >"$1/conf/log4j.properties" <<'TEXT'
log4j.rootLogger=WARN,c
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.target=System.err
log4j.appender.c.layout=org.apache.log4j.PatternLayout
log4j.appender.c.layout.ConversionPattern=%d %p %c{1}: %m%n
TEXT
}

# java_run RUN JARS ARGUMENT...: runs java in the place of this shell, with options for a small server.
java_run() {
    exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --add-opens java.base/java.lang=ALL-UNNAMED \
        -Dlog4j.configuration="file:$1/conf/log4j.properties" -cp "$1/conf:$2/*" "${@:3}"
}

# java_start RUN NAME JARS ARGUMENT...: starts a server.
java_start() {
    (java_run "$1" "${@:3}" >"$1/$2.log" 2>&1) &
    echo "$! $3" >>"$1/pids"
    disown # bash says nothing of its end then
}

# java_await RUN WHAT URL WORDS: waits until the answer at URL has the words. It fails if a server
# of RUN ends before, or after two minutes or more.
java_await() {
    for _ in $(seq 600); do
        if curl -s "$3" | grep -qF "$4"; then return; fi
        java_live "$1" || break
        sleep 0.2
    done
    echo "stores: $2 did not start:" >&2
    tail -n 20 "$1"/*.log >&2
    return 1
}

# java_live RUN: all servers of RUN live.
java_live() {
    local pid
    while read -r pid _; do kill -0 "$pid" 2>/dev/null || return 1; done <"$1/pids"
}

# java_stop RUN SIGNAL: ends the servers by the signal. Those that live 10 s later are killed.
java_stop() {
    [ -e "$1/pids" ] || return 0
    local pid jars found=()
    while read -r pid jars; do
        # Only if the process is still ours: numbers are used again.
        if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$jars"; then
            found+=("$pid")
            kill "-$2" "$pid" 2>/dev/null || true
        fi
    done <"$1/pids"
    for _ in $(seq 100); do
        kill -0 "${found[@]}" 2>/dev/null || break # as long as one of them lives
        sleep 0.1
    done
    for pid in "${found[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -f "$1/pids"
}
