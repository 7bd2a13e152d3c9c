#!/bin/sh
# Remove everything that any make target of this clone made: kept services, an engine that was left, images that were
# pulled into an engine that was there before, folders, and the cache of base images.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then
    for home in build/demo build/demo-e2e; do
        [ ! -d "$home" ] || .venv/bin/python deploy/demo --stop --home "$home"
    done
fi
sh deploy/engine.sh stop
rm -rf build .venv .venv-clients .venv-peers .venv-minor .venv-trivy .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis uv.lock
find . -name __pycache__ -type d -prune -exec rm -rf {} +
rm -rf "$HOME/.cache/sekisho"
