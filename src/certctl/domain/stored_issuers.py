"""Issuers as the store keeps them, and what a trial of an issuer found (issuers §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IssuerState(StrEnum):
    """``pending``: its key is made, and a certificate for it has yet to come from above.

    ``deleted``: the key is gone for good; its id stands for that CA for ever.
    """

    PENDING = "pending"
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIssuer:
    """An issuer of the store without its key; of version and all that decides what it may
    do the sealed key is the witness (``issuers.sealing``).

    Attributes:
        version: rises with every change.
        type: a connector; ``local`` is the only one.
        key_type: as ``CA_KEY_TYPE`` names it.
        validity_s: seconds a certificate is valid unless its profile says otherwise.
        chain: DER from the issuing CA up to its root; empty while ``pending``.
        csr_der: the request for the CA above, or empty where it signed itself.
        created_by: the actor.
    """

    id: str
    version: int
    type: str
    display_name: str
    state: IssuerState
    key_type: str
    validity_s: int
    chain: tuple[bytes, ...]
    csr_der: bytes
    created_us: int
    created_by: str
    changed_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying an issuer; ``problem`` and ``remedy`` are empty where it works.

    Attributes:
        tried: what was done to find out, in words.
        chain: DER, as the issuer has it.
    """

    tried: str
    chain: tuple[bytes, ...]
    problem: str = ""
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTrial:
    """When an issuer was last tried, and what came of it; ``problem`` is empty where it works."""

    issuer_id: str
    tested_us: int
    took_us: int
    tried: str
    problem: str
    remedy: str
