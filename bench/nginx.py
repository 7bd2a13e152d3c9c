"""nginx, twice: as the upstream that behaves as PyPI does, and as the peer that serves our own pages as plain files."""

import os
import shutil
from pathlib import Path

from bench.place import MeasureError, bare_environment
from bench.processes import Server, Servers

_JSON = "application/vnd.pypi.simple.v1+json"
_CONFIG = """
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
    log_format asked '$request_method $request_uri $status $body_bytes_sent $http_user_agent';
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
{servers}
}}
"""

_SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {root};
        location ~ /simple/ {{
            default_type {json};
            types {{ }}
            index index.json;
            gzip_static on;
            add_header Vary "Accept, Accept-Encoding";
            {extra}
        }}
        location /packages/slow/ {{ limit_rate 6m; }}
        location / {{ {files} }}
        {beyond}
    }}
"""
_TUNED = "sendfile off; output_buffers 2 1m; open_file_cache max=1000;"
"""Large pages leave faster from nginx's own buffers than by sendfile."""


def start(
    servers: Servers, name: str, folder: Path, port: int, *, log: bool, tuned: int | None = None, more: str = ""
) -> Server:
    """Serve ``folder``/root on a loopback port, with Debian's settings, and ``tuned`` for large pages on another one.

    With ``log``, ``asked`` in the folder has a line for each request.

    A file that is not there is asked for at ``more``, the address of another server.

    What lies under /packages/slow/ is sent at 6 MB/s, so that many clients ask before the first one has it all.
    """
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if not found:
        raise MeasureError("nginx is not installed; run `sh deploy/setup.sh bench`")
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    said = f"{folder}/asked asked" if log else "off"
    user = "user root;\n" if os.geteuid() == 0 else ""  # what is served lies in folders that only their owner enters
    shared = {
        "root": folder / "root",
        "json": _JSON,
        "files": "try_files $uri @more;" if more else "",
        "beyond": f"location @more {{ proxy_pass {more}; proxy_read_timeout 300; }}" if more else "",
    }
    blocks = _SERVER.format(port=port, extra="", **shared)
    if tuned:
        blocks += _SERVER.format(port=tuned, extra=_TUNED, **shared)
    config.write_text(_CONFIG.format(folder=folder, log=said, user=user, servers=blocks))
    command = [found, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    return servers.start(name, command, bare_environment(folder), folder)


def lay_page(root: Path, path: str, body: bytes, packed: bytes | None) -> None:
    """Lay a page down, plain and, where there is such a form, packed."""
    folder = root / path.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_bytes(body)
    if packed:
        (folder / "index.json.gz").write_bytes(packed)


def lay_file(root: Path, path: str, content: bytes | Path) -> None:
    """Lay a file down: bytes, or a link to where they are."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        target.hardlink_to(content) if content.stat().st_dev == target.parent.stat().st_dev else shutil.copy(
            content, target
        )
    else:
        target.write_bytes(content)
