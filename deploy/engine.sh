#!/bin/sh
# A Docker engine for as long as one command runs: `engine.sh run COMMAND…`. One that runs already is used as it is;
# otherwise one is started with its data under build/engine, and stopped afterwards.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/build/engine
PATH="$PATH:/usr/sbin:/sbin"
export PATH

answers() { "$root/.venv/bin/python" -c 'import docker; docker.from_env(timeout=5).ping()' >/dev/null 2>&1; }

start() {
    if [ "$(id -u)" != 0 ]; then
        echo "engine: no Docker engine answers, and only root can start one; start the Docker service" >&2
        exit 1
    fi
    mkdir -p "$home"
    # In a session of its own, so that Ctrl-C reaches the command first and the engine is stopped after it.
    setsid dockerd --storage-driver=overlay2 --data-root "$home/data" >"$home/log" 2>&1 &
    engine=$!
    for _ in $(seq 60); do
        if answers; then
            return
        fi
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    echo "engine: dockerd did not start; its last lines:" >&2
    tail -n 5 "$home/log" >&2
    kill "$engine" 2>/dev/null || true
    exit 1
}

[ "${1:-}" = run ] || {
    echo "usage: engine.sh run COMMAND…" >&2
    exit 2
}
shift
engine=''
answers || start
status=0
trap : INT TERM # the command hears of Ctrl-C itself; the engine goes after it
"$@" || status=$?
if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
fi
exit "$status"
