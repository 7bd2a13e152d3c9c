#!/bin/sh
# Remove everything that any make target made: kept services, containers, images, folders, caches.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then
    .venv/bin/python deploy/demo --stop
fi
rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis uv.lock
find . -name __pycache__ -type d -prune -exec rm -rf {} +
rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/sekisho"
