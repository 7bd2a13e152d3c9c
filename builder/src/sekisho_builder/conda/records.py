"""Candidates of channels as artifacts, by what the candidate mount states of them.

A solver's client gives back what it understood of a record. What is inspected, approved and signed is the record that
the mount has.
"""

from collections.abc import Mapping

from sekisho.errors import NotFoundError
from sekisho.model import Artifact
from sekisho_builder.proxy import Proxy


class Channels:
    """Reads artifacts over one proxy, of each name once."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._names: dict[tuple[str, str, str], Mapping[str, Artifact]] = {}

    def artifact(self, channel: str, path: str, name: str) -> Artifact:
        """Return the artifact at ``<subdir>/<filename>`` of a channel.

        Raises ``NotFoundError`` if the mount no longer has it.
        """
        found = self.of_name(channel, path.partition("/")[0], name).get(path)
        if found is None:
            raise NotFoundError(
                f"{path} is no longer among the candidates of {channel}", where=name, todo="ask for it again"
            )
        return found

    def of_name(self, channel: str, subdir: str, name: str) -> Mapping[str, Artifact]:
        """Return by path all of a name that a channel's subdir has, whatever a spec asks for."""
        key = (channel, subdir, name)
        if key not in self._names:
            self._names[key] = {artifact.path: artifact for artifact in self._proxy.channel_artifacts(*key)}
        return self._names[key]
