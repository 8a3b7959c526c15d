#!/usr/bin/env bash
# Servers of object stores for tests, on loopback ports, with their data in memory: moto
# (S3), fake-gcs-server (GCS), azurite (Azure Blob). Sourced by scripts/stores.sh, after
# scripts/stores_install.sh. stores_run is the folder of their logs.

objects_pids=() # of the servers, with their names and URLs
objects_names=()
objects_urls=()
objects_within=() # what runs them: nothing, or a command such as nsenter

# objects_begin NAME URL COMMAND...: starts a server. objects_await waits until URL answers.
objects_begin() {
    objects_names+=("$1")
    objects_urls+=("$2")
    "${objects_within[@]}" "${@:3}" >"$stores_run/$1.log" 2>&1 &
    objects_pids+=($!)
}

# objects_await waits until all servers answer.
objects_await() {
    local i
    for i in "${!objects_pids[@]}"; do
        for _ in $(seq 600); do
            if "${objects_within[@]}" curl -s -o /dev/null "${objects_urls[i]}"; then continue 2; fi
            kill -0 "${objects_pids[i]}" 2>/dev/null || break
            sleep 0.1
        done
        echo "stores: ${objects_names[i]} did not start:" >&2
        tail -n 20 "$stores_run/${objects_names[i]}.log" >&2
        return 1
    done
}

s3_install() {
    stores_once moto/installed.txt "$stores_pins/requirements.txt" 'moto by pip (a Python environment of its own)' s3_fetch
}

s3_fetch() {
    local folder=$stores_folder/moto
    rm -rf "$folder" && python3 -m venv "$folder" &&
        "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$stores_pins/requirements.txt"
}

s3_start() {
    local port
    port=$(stores_port)
    objects_begin moto "http://127.0.0.1:$port" "$stores_folder/moto/bin/moto_server" -H 127.0.0.1 -p "$port"
    export TFOS_TEST_S3=http://127.0.0.1:$port
}

gcs_install() {
    stores_once gcs/installed.txt "$stores_pins/go.mod" 'fake-gcs-server, built with Go' gcs_fetch
}

gcs_fetch() {
    # To its place at once: another session may be running the earlier one.
    (cd "$stores_pins" && CGO_ENABLED=0 go build -o "$stores_folder/gcs/new" github.com/fsouza/fake-gcs-server) &&
        mv "$stores_folder/gcs/new" "$stores_folder/gcs/fake-gcs-server"
}

gcs_start() {
    local port
    port=$(stores_port)
    objects_begin gcs "http://127.0.0.1:$port" "$stores_folder/gcs/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$port" \
        -external-url "http://127.0.0.1:$port" -backend memory
    export TFOS_TEST_GCS=http://127.0.0.1:$port
}

azure_install() {
    stores_need node 'runs azurite (Azure Blob)' 'nodejs 18 or newer'
    stores_once azurite/installed.txt "$stores_pins/package-lock.json" 'azurite by npm' azure_fetch
}

azure_fetch() {
    local folder=$stores_folder/azurite
    stores_need npm 'fetches azurite (Azure Blob)' 'npm' || return 1
    rm -rf "$folder" && mkdir -p "$folder" &&
        cp "$stores_pins/package.json" "$stores_pins/package-lock.json" "$folder/" &&
        (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error) # npm 11 with --prefix does not read the lock file
}

azure_start() {
    local port
    port=$(stores_port)
    objects_begin azurite "http://127.0.0.1:$port" node "$stores_folder/azurite/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
        --blobPort "$port" --inMemoryPersistence --skipApiVersionCheck --silent --disableTelemetry
    export TFOS_TEST_AZURE=http://127.0.0.1:$port
}

# objects_stop ends the servers that this shell has started.
objects_stop() {
    [ ${#objects_pids[@]} = 0 ] || kill "${objects_pids[@]}" 2>/dev/null || true
    wait "${objects_pids[@]}" 2>/dev/null || true
    objects_pids=() objects_names=() objects_urls=()
}
