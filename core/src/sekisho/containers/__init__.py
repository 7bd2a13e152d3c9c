"""The container engine that gates, builds and stages run in.

The docker SDK is imported at first use, so a machine without it can still do everything else.
"""

from sekisho.containers.over_docker import DockerContainers, Served

__all__ = ["DockerContainers", "Served"]
