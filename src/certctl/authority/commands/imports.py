"""The command that puts certificates of other sources on record."""

from __future__ import annotations

import msgspec


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate (DER) of another source; ``issuer_id`` ours, or ``external:NAME``."""

    der: bytes
    issuer_id: str


class ImportCertificates(msgspec.Struct, frozen=True, kw_only=True, tag="import"):
    """Put certificates of other sources on record (records §3), all of these or none.
    Answer: ``CertificatesImported``.
    """

    certificates: tuple[Import, ...]
    actor: str


class CertificatesImported(msgspec.Struct, frozen=True, kw_only=True, tag="imported"):
    """``duplicates`` were on record already and stay as they are."""

    imported: int
    duplicates: int
