"""What every room of Sekisho agrees on: records, policy, allowlist, lock, ledger, store, settings."""

__version__ = "0.1.0"
