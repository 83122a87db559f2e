"""Settings of issuers, revocation and jobs (config §3, issuers §2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from certctl.domain.audit_copy import CopyTarget
from certctl.domain.crl_partitions import MOST_PARTITIONS
from certctl.settings.kinds import (
    DEFERRED_SECRET,
    LABELS,
    PATH,
    TEXT,
    choice,
    duration,
    integer,
    items,
    or_off,
)
from certctl.settings.kinds_net import AUDIT_COPY
from certctl.settings.schema import CaKeyType
from certctl.settings.secret import SecretSource
from certctl.settings.variable import DEFAULT_ISSUER, Scope, Variable

YEARS = 10 * 366 * 86_400
"""Longest duration of anything here, in seconds."""

ISSUERS: Final[Variable[tuple[str, ...]]] = Variable(
    name="ISSUERS",
    kind=items(TEXT),
    default=(),
    default_text=DEFAULT_ISSUER,
    meaning="Ids of the issuers; unset, the local CA `iss-local` is the only one.",
)

TYPE: Final[Variable[str | None]] = Variable(
    name="TYPE",
    kind=choice("local", "vault", "stepca", "est", "ejbca", "adcs", "script"),
    default=None,
    default_text="required; `local` for `iss-local`",
    scope=Scope.ISSUER,
    meaning="What signs.",
)
CA_CERT_PATH: Final[Variable[Path | None]] = Variable(
    name="CA_CERT_PATH",
    kind=PATH,
    default=None,
    default_text="made at the first start",
    scope=Scope.ISSUER,
    short=True,
    meaning="CA certificate and its chain, PEM, of a subordinate CA or of an issuer outside.",
)
CA_KEY_PATH: Final[Variable[Path | None]] = Variable(
    name="CA_KEY_PATH",
    kind=PATH,
    default=None,
    default_text="made at the first start",
    scope=Scope.ISSUER,
    short=True,
    meaning="Private key of that certificate.",
)
CA_KEY_TYPE: Final[Variable[str]] = Variable(
    name="CA_KEY_TYPE",
    kind=choice(*map(str, CaKeyType), "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"),
    default="P-256",
    scope=Scope.ISSUER,
    short=True,
    meaning="Key that is made at the first start.",
)
VALIDITY: Final = Variable(
    name="VALIDITY",
    kind=duration(1, YEARS),
    default=90 * 86_400,
    default_text="90d",
    scope=Scope.ISSUER,
    meaning="Lifetime of certificates unless their profile says otherwise.",
)
CA_KEY_PASSPHRASE: Final[Variable[SecretSource | None]] = Variable(
    name="CA_KEY_PASSPHRASE",
    kind=DEFERRED_SECRET,
    default=None,
    secret=True,
    deferred=True,
    scope=Scope.ISSUER,
    short=True,
    meaning="Encrypts the CA key at rest; give it as a file, which only the authority reads.",
)
SIGN: Final[Variable[Path | None]] = Variable(
    name="SIGN",
    kind=PATH,
    default=None,
    default_text="required for `script`",
    scope=Scope.ISSUER,
    meaning="Program that has a certificate issued.",
)
FIND: Final[Variable[Path | None]] = Variable(
    name="FIND",
    kind=PATH,
    default=None,
    scope=Scope.ISSUER,
    meaning="Program of a `script` issuer that tells what became of a lost answer.",
)
REVOKE: Final[Variable[Path | None]] = Variable(
    name="REVOKE",
    kind=PATH,
    default=None,
    scope=Scope.ISSUER,
    meaning="Program of a `script` issuer that revokes a certificate nobody was given.",
)
TIMEOUT: Final = Variable(
    name="TIMEOUT",
    kind=duration(1, 600),
    default=30,
    default_text="30s",
    scope=Scope.ISSUER,
    meaning="Time limit of one call of an issuer outside.",
)
FALLBACK: Final[Variable[str | None]] = Variable(
    name="FALLBACK",
    kind=LABELS,
    default=None,
    scope=Scope.ISSUER,
    meaning="Issuer used when this one is away.",
)

CRL_GENERATION_INTERVAL: Final = Variable(
    name="CRL_GENERATION_INTERVAL",
    kind=duration(1, YEARS),
    default=3_600,
    default_text="1h",
    meaning="Longest time between two CRLs.",
)
CRL_DEBOUNCE: Final = Variable(
    name="CRL_DEBOUNCE",
    kind=duration(0, 3_600),
    default=10,
    default_text="10s",
    meaning="Time in which revocations are gathered into one CRL.",
)
CRL_VALIDITY: Final = Variable(
    name="CRL_VALIDITY",
    kind=duration(60, YEARS),
    default=86_400,
    default_text="24h",
    meaning="nextUpdate of a CRL; longer than `CRL_GENERATION_INTERVAL`.",
)
CRL_DELTA_INTERVAL: Final[Variable[int | None]] = Variable(
    name="CRL_DELTA_INTERVAL",
    kind=or_off(duration(30, 30 * 86_400)),
    default=None,
    default_text="off",
    meaning="Longest time between two delta CRLs; with them, full CRLs are made only each "
    "`CRL_GENERATION_INTERVAL`, and readers must know delta CRLs to hear of a revocation before.",
)
CRL_PARTITIONS: Final = Variable(
    name="CRL_PARTITIONS",
    kind=integer(1, MOST_PARTITIONS),
    default=1,
    meaning="How many parts the certificates issued from now on are divided into, each with a "
    "small CRL of its own that they name; 1 = off. The full CRL is made as before.",
)
OCSP_RESPONDER_VALIDITY: Final = Variable(
    name="OCSP_RESPONDER_VALIDITY",
    kind=duration(3_600, YEARS),
    default=720 * 3_600,
    default_text="720h",
    meaning="Lifetime of the delegated responder's certificate.",
)
OCSP_RESPONDER_ROTATION_GRACE: Final = Variable(
    name="OCSP_RESPONDER_ROTATION_GRACE",
    kind=duration(0, YEARS),
    default=168 * 3_600,
    default_text="168h",
    meaning="How long before its end the responder is replaced.",
)
OCSP_RATE_LIMIT_PER_IP_MIN: Final = Variable(
    name="OCSP_RATE_LIMIT_PER_IP_MIN",
    kind=integer(0, 1_000_000),
    default=1_000,
    meaning="OCSP requests of one source per minute and worker; 0 = off.",
)
AUDIT_COPY_TO: Final[Variable[CopyTarget | None]] = Variable(
    name="AUDIT_COPY",
    kind=AUDIT_COPY,
    default=None,
    meaning="Where audit events and checkpoints are copied as they happen.",
)


def _retention(name: str, what: str, never: str) -> Variable[int | None]:
    return Variable(
        name=name,
        kind=or_off(duration(86_400, 10 * YEARS)),
        default=None,
        default_text="keep",
        meaning=f"How long {what} are kept; {never}.",
    )


AUDIT_RETENTION: Final = _retention(
    "AUDIT_RETENTION", "audit events", "only whole sealed segments go, and a signed stub stays"
)
RECORD_RETENTION: Final = _retention(
    "RECORD_RETENTION",
    "certificates",
    "counted from the end of their validity; a revoked one stays for as long as a CRL made here "
    "may list it, and for ever where none is made",
)

ISSUER_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    TYPE,
    CA_CERT_PATH,
    CA_KEY_PATH,
    CA_KEY_TYPE,
    VALIDITY,
    CA_KEY_PASSPHRASE,
    SIGN,
    FIND,
    REVOKE,
    TIMEOUT,
    FALLBACK,
)

ISSUING_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    ISSUERS,
    CRL_GENERATION_INTERVAL,
    CRL_DEBOUNCE,
    CRL_VALIDITY,
    CRL_DELTA_INTERVAL,
    CRL_PARTITIONS,
    OCSP_RESPONDER_VALIDITY,
    OCSP_RESPONDER_ROTATION_GRACE,
    OCSP_RATE_LIMIT_PER_IP_MIN,
    AUDIT_COPY_TO,
    AUDIT_RETENTION,
    RECORD_RETENTION,
)
