"""The config key, which seals the issuers of the store: read by the authority alone."""

from __future__ import annotations

from certctl.issuers.vault import IssuerVault, read_config_key
from certctl.settings.schema import Settings
from certctl.store import SqlStore


def open_vault(settings: Settings, store: SqlStore) -> IssuerVault | None:
    """None where no config key is set.

    Raises:
        ConfigKeyMismatch: the store belongs to another one.
        VaultRefused: it is no key of its kind.
        SecretUnreadable: its file cannot be used.
    """
    source = settings.server.config_key
    if source is None:
        return None
    vault = IssuerVault(read_config_key(source.read().reveal()))
    store.bind_config_key(vault.digest)
    return vault
