#!/bin/sh
# Lock the project again: `make lock`, or `make lock UPGRADE=--upgrade`.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() { # output, inputs…
    out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --custom-compile-command "make lock" ${UPGRADE:-} \
        --no-emit-package sekisho --no-emit-package sekisho-proxy --no-emit-package sekisho-portal \
        --no-emit-package sekisho-builder --no-emit-package sekisho-stages \
        --output-file "$out" "$@"
}
compile requirements/bootstrap.txt requirements/bootstrap.in
compile requirements/run.txt requirements/run.in core/pyproject.toml proxy/pyproject.toml portal/pyproject.toml \
    builder/pyproject.toml stages/pyproject.toml
compile requirements/dev.txt requirements/dev.in -c requirements/run.txt
compile requirements/clients.txt requirements/clients.in
compile requirements/peers.txt requirements/peers.in
compile requirements/scanner.txt requirements/scanner.in
compile requirements/trivy.txt requirements/trivy.in
