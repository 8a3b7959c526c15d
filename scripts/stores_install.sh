#!/usr/bin/env bash
# How the servers of test-stores come into .stores: once, in the versions of scripts/stores, with
# the ordinary clients of package registries. Sourced by the scripts stores*.sh.

stores_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stores_pins=$stores_root/scripts/stores
stores_folder=$stores_root/.stores

# stores_need COMMAND WHAT PACKAGE: says in a line what the machine lacks.
stores_need() {
    command -v "$1" >/dev/null || { echo "stores: $1 not found, which $2: install $3" >&2 && return 1; }
}

# stores_once MARK PIN WHAT COMMAND...: runs the command, unless it has run with this PIN before. MARK is
# a file that then has PIN's content. Other sessions wait meanwhile.
stores_once() {
    local mark=$stores_folder/$1 pin=$2 what=$3
    mkdir -p "$(dirname "$mark")"
    (
        flock 9
        ! cmp -s "$pin" "$mark" || exit 0
        echo "stores: $what" >&2
        rm -f "$mark"
        "${@:4}" >&2 || { echo "stores: failed: $what" >&2 && exit 1; }
        cp "$pin" "$mark"
    ) 9>"$stores_folder/lock"
}

# stores_jars POM FOLDER ARGUMENT...: the jars that a pom.xml names.
stores_jars() {
    stores_need mvn "fetches Hadoop's jars" 'maven' || return 1
    rm -rf "$2"
    mvn -q -B -f "$1" dependency:copy-dependencies -Dstyle.color=never -DoutputDirectory="$2" "${@:3}"
}

# stores_port prints a free port. Clients do not get it meanwhile: theirs are from 32768 on.
stores_port() {
    python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        continue
    print(port)
    break'
}
