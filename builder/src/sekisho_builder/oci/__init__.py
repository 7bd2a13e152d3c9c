"""Images as the OCI writes them down: layouts on disk, archives for an engine, and registries."""

from sekisho_builder.oci.docker_archive import to_docker_archive
from sekisho_builder.oci.layout import Layout
from sekisho_builder.oci.registry import Pushed, pull, push
from sekisho_builder.oci.whereabouts import Whereabouts

__all__ = ["Layout", "Pushed", "Whereabouts", "pull", "push", "to_docker_archive"]
