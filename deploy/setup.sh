#!/bin/sh
# Set-up. `venv` makes .venv from the hash-pinned requirements; `others` makes environments of the clients and servers
# that the tests drive; `tools` installs what the demo runs besides Python; `bench` what the benchmark does.
# With root and apt-get it installs what is missing; otherwise it names exactly that, and exits with 1.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*" >&2; }

give_up() { # packages, why
    say "missing: $2"
    say "get it with: sudo apt-get install $1"
    say "then run the same make command again"
    exit 1
}

install() { # packages, why
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        give_up "$1" "$2"
    fi
    say "installing $1"
    log=$(mktemp)
    # shellcheck disable=SC2086 (a list of packages)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $1; } \
        >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        give_up "$1" "$2 (apt-get failed, its last lines are above)"
    fi
    rm -f "$log"
}

find_python() {
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "missing: Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.11 …"
    exit 1
}

has_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

venv_package() { "$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'; }

fresh_venv() { # folder
    python=$(find_python)
    has_venv "$python" || install "$(venv_package "$python")" "Python's venv module"
    if [ ! -x "$1/bin/python" ] || ! "$1/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        rm -rf "$1"
        say "making $1 with $("$python" --version)"
        "$python" -m venv "$1"
    fi
}

install_locked() { # folder of the environment, locks…
    folder=$1
    shift
    for lock; do
        set -- "$@" -r "$lock"
        shift
    done
    .venv/bin/uv pip install --quiet --compile-bytecode --python "$folder/bin/python" --require-hashes "$@"
}

make_venv() {
    fresh_venv .venv
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
    say "installing the hash-pinned requirements"
    install_locked .venv requirements/run.txt requirements/dev.txt
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
        -e core -e proxy -e portal -e builder -e stages
}

make_others() {
    for name in clients peers; do
        fresh_venv ".venv-$name"
        say "installing the $name that the tests drive"
        install_locked ".venv-$name" "requirements/$name.txt"
    done
    make_minor
}

make_minor() { # for the test that images do not depend on the minor version of Python
    have=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for minor in 3.14 3.13 3.12 3.11; do
        for found in "python$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$minor".*/bin/python; do
            if [ "$minor" != "$have" ] && "$found" -c '' 2>/dev/null; then
                say "making .venv-minor with Python $minor"
                .venv/bin/uv venv --quiet --clear --python "$("$found" -c 'import sys; print(sys.executable)')" .venv-minor
                install_locked .venv-minor requirements/run.txt
                return
            fi
        done
    done
    say "there is no second minor version of Python here; one test will be skipped"
}

need() { # command, package
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || { missing="$missing $2" why="$why $1"; }
}

install_tools() {
    python=$(find_python)
    missing='' why=''
    need dockerd docker.io
    need docker-registry docker-registry
    need mmdebstrap mmdebstrap
    need skopeo skopeo
    need git git
    need ip iproute2
    need nsenter util-linux
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || {
        missing="$missing debian-archive-keyring" why="$why debian-archive-keyring"
    }
    has_venv "$python" || missing="$missing $(venv_package "$python")" why="$why venv"
    if [ "$(id -u)" != 0 ]; then
        say "missing: root, to build the base image and to close the zone's network; run make as root"
        [ -z "$missing" ] || give_up "${missing# }" "${why# }"
        exit 1
    fi
    if [ -n "$missing" ]; then
        install "${missing# }" "${why# }"
    fi
}

install_bench() {
    missing='' why=''
    need nginx nginx-light
    need wrk wrk
    need curl curl
    if [ -n "$missing" ]; then
        install "${missing# }" "${why# }"
    fi
}

install_bench_image() {
    missing='' why=''
    need nginx nginx-light
    need docker-registry docker-registry
    need docker docker.io
    need buildah buildah
    if [ -n "$missing" ]; then
        install "${missing# }" "${why# }"
    fi
}

install_readers() {
    missing='' why=''
    for name in skopeo umoci buildah podman; do
        need "$name" "$name"
    done
    need containerd containerd
    need docker-registry docker-registry
    need dockerd docker.io
    if [ -n "$missing" ]; then
        install "${missing# }" "${why# }"
    fi
    fresh_venv .venv-trivy
    install_locked .venv-trivy requirements/trivy.txt
}

case "${1:-}" in
    venv) make_venv ;;
    others) make_others ;;
    tools) install_tools ;;
    minor) make_minor ;;
    bench) install_bench ;;
    bench-image) install_bench_image ;;
    readers) install_readers ;;
    *)
        say "usage: setup.sh venv|others|minor|tools|bench|bench-image|readers"
        exit 2
        ;;
esac
