#!/bin/sh
# A Docker engine for as long as one command runs: `engine.sh run COMMAND…`. One that runs already is used as it is;
# otherwise one is started with its data under build/engine, and stopped afterwards. `engine.sh stop` ends one that was
# left by a killed run.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/build/engine
PATH="$PATH:/usr/sbin:/sbin"
export PATH

answers() { "$root/.venv/bin/python" -c 'import docker; docker.from_env(timeout=5).ping()' >/dev/null 2>&1; }

is_ours() { # pid: a dockerd with our data root
    { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF -- "--data-root $home/data"
}

stop() {
    pid=$(cat "$home/pid" 2>/dev/null || true)
    if [ -n "$pid" ] && is_ours "$pid"; then
        kill "$pid"
        for _ in $(seq 60); do
            is_ours "$pid" || break
            sleep 0.25
        done
    fi
    rm -f "$home/pid"
}

start() {
    if [ "$(id -u)" != 0 ]; then
        echo "engine: no Docker engine answers, and only root can start one; start the Docker service" >&2
        exit 1
    fi
    mkdir -p "$home"
    # In a session of its own, so that Ctrl-C reaches the command first and the engine is stopped after it.
    setsid dockerd --storage-driver=overlay2 --data-root "$home/data" >"$home/log" 2>&1 &
    engine=$!
    echo "$engine" >"$home/pid"
    for _ in $(seq 60); do
        if answers; then
            return
        fi
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    echo "engine: dockerd did not start; its last lines:" >&2
    tail -n 5 "$home/log" >&2
    exit 1
}

case "${1:-}" in
    stop)
        stop
        exit 0
        ;;
    run) shift ;;
    *)
        echo "usage: engine.sh run COMMAND… | engine.sh stop" >&2
        exit 2
        ;;
esac
stop # what a killed run left
trap stop EXIT
trap : INT # a terminal's Ctrl-C reaches the command by itself
child=''
trap '[ -z "$child" ] || kill -TERM "$child"' TERM
answers || start
# Asynchronous commands of a script ignore SIGINT; Python puts its own handler back.
"$root/.venv/bin/python" -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' "$@" &
child=$!
status=0
wait "$child" || status=$?
while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
done
exit "$status"
