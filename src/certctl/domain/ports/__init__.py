"""Ports: what the use cases need from the outside, named after intents.

Adapters in ``store``, ``issuers`` and ``trust`` implement them; only ``wiring`` knows
which. Everything that is not a coroutine here is fast enough for the event loop or
runs in the authority's own process.
"""

from __future__ import annotations

from certctl.domain.ports.authority import (
    Authority,
    DeviceQuestion,
    DeviceState,
    WrongAttempt,
)
from certctl.domain.ports.events import Channel, DeliveryFailed, Wanted
from certctl.domain.ports.issuing import (
    CanFind,
    CanIssueResponder,
    CanRevoke,
    CanSignCRL,
    CrlDraft,
    Issuer,
    Linter,
    LintFinding,
    OutsideIssuer,
    SignedCertificate,
    Terms,
)
from certctl.domain.ports.reads import (
    FactReads,
    Records,
)
from certctl.domain.ports.trust import (
    ClientTrust,
    RegistrationAuthorities,
    TrustBundles,
)
from certctl.domain.ports.vault import (
    CanTry,
    IssuerVault,
    VaultRefused,
)
from certctl.domain.ports.writes import (
    Contended,
    DuplicateKey,
    RunAgain,
    Transaction,
    WritableStore,
)

__all__ = [
    "Authority",
    "CanFind",
    "CanIssueResponder",
    "CanRevoke",
    "CanSignCRL",
    "CanTry",
    "Channel",
    "ClientTrust",
    "Contended",
    "CrlDraft",
    "DeliveryFailed",
    "DeviceQuestion",
    "DeviceState",
    "DuplicateKey",
    "FactReads",
    "Issuer",
    "IssuerVault",
    "LintFinding",
    "Linter",
    "OutsideIssuer",
    "Records",
    "RegistrationAuthorities",
    "RunAgain",
    "SignedCertificate",
    "Terms",
    "Transaction",
    "TrustBundles",
    "VaultRefused",
    "Wanted",
    "WritableStore",
    "WrongAttempt",
]
