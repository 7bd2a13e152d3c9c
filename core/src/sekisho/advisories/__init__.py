"""What is known against releases: advisories, malicious packages, what is exploited.

What no data covers is unknown, never clean. ``zip_import`` reads OSV's files; the rest needs only the index.
"""

from sekisho.advisories.index import AdvisoryIndex
from sekisho.advisories.record import FEEDS, IMPORTS, Advisory, Affected, FeedName, Hit, ImportName, Range

__all__ = ["FEEDS", "IMPORTS", "Advisory", "AdvisoryIndex", "Affected", "FeedName", "Hit", "ImportName", "Range"]
