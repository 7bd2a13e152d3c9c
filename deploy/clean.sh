#!/bin/sh
# Remove everything that any make target made: kept services, containers, images, folders, caches.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then
    .venv/bin/python deploy/demo --stop
fi
find build/engine -type d -path '*/exec/*' -prune -o -name dockerd.pid -print 2>/dev/null | while read -r file; do
    kill "$(cat "$file")" 2>/dev/null || true
done
rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis uv.lock
find . -name __pycache__ -type d -prune -exec rm -rf {} +
rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/sekisho"
