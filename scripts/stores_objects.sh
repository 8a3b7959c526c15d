#!/usr/bin/env bash
# Servers of object stores for tests, on loopback ports, with their data in memory: moto
# (S3), fake-gcs-server (GCS), azurite (Azure Blob). Sourced by scripts/stores.sh, which sets
# stores_run, the folder of their logs.
# What they need is installed into .stores, once, in the versions of scripts/stores.

objects_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
objects_pins=$objects_root/scripts/stores
objects_folder=$objects_root/.stores
objects_pids=() # of the servers, with their names and URLs
objects_names=()
objects_urls=()

# objects_current FOLDER FILE: whether FOLDER was installed from this FILE.
objects_current() { cmp -s "$2" "$1/installed.txt"; }

# objects_port prints a free port.
objects_port() { python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }

# objects_begin NAME URL COMMAND...: starts a server. objects_await waits until URL answers.
objects_begin() {
    objects_names+=("$1")
    objects_urls+=("$2")
    "${@:3}" >"$stores_run/$1.log" 2>&1 &
    objects_pids+=($!)
}

# objects_await waits until all servers answer.
objects_await() {
    local i
    for i in "${!objects_pids[@]}"; do
        for _ in $(seq 600); do
            if curl -s -o /dev/null "${objects_urls[i]}"; then continue 2; fi
            kill -0 "${objects_pids[i]}" 2>/dev/null || break
            sleep 0.1
        done
        echo "stores: ${objects_names[i]} did not start:" >&2
        tail -n 20 "$stores_run/${objects_names[i]}.log" >&2
        return 1
    done
}

s3_start() {
    local folder=$objects_folder/moto port
    if ! objects_current "$folder" "$objects_pins/requirements.txt"; then
        echo 'stores: moto by pip (a Python environment of its own)' >&2
        rm -rf "$folder" && python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$objects_pins/requirements.txt" >&2
        cp "$objects_pins/requirements.txt" "$folder/installed.txt"
    fi
    port=$(objects_port)
    objects_begin moto "http://127.0.0.1:$port" "$folder/bin/moto_server" -H 127.0.0.1 -p "$port"
    export TFOS_TEST_S3=http://127.0.0.1:$port
}

gcs_start() {
    local folder=$objects_folder/gcs port
    if ! objects_current "$folder" "$objects_pins/go.mod"; then
        echo 'stores: fake-gcs-server, built with Go' >&2
        mkdir -p "$folder"
        (cd "$objects_pins" && CGO_ENABLED=0 go build -o "$folder/fake-gcs-server" github.com/fsouza/fake-gcs-server) >&2
        cp "$objects_pins/go.mod" "$folder/installed.txt"
    fi
    port=$(objects_port)
    objects_begin gcs "http://127.0.0.1:$port" "$folder/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$port" \
        -external-url "http://127.0.0.1:$port" -backend memory
    export TFOS_TEST_GCS=http://127.0.0.1:$port
}

azure_start() {
    local folder=$objects_folder/azurite port
    if ! objects_current "$folder" "$objects_pins/package-lock.json"; then
        echo 'stores: azurite by npm' >&2
        rm -rf "$folder" && mkdir -p "$folder"
        cp "$objects_pins/package.json" "$objects_pins/package-lock.json" "$folder/"
        npm ci --prefix "$folder" --no-audit --no-fund --silent >&2
        cp "$objects_pins/package-lock.json" "$folder/installed.txt"
    fi
    port=$(objects_port)
    objects_begin azurite "http://127.0.0.1:$port" node "$folder/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
        --blobPort "$port" --inMemoryPersistence --skipApiVersionCheck --silent --disableTelemetry
    export TFOS_TEST_AZURE=http://127.0.0.1:$port
}

# objects_stop ends the servers that this shell has started.
objects_stop() {
    [ ${#objects_pids[@]} = 0 ] || kill "${objects_pids[@]}" 2>/dev/null || true
    wait "${objects_pids[@]}" 2>/dev/null || true
    objects_pids=() objects_names=() objects_urls=()
}
