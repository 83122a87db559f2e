"""Settings of issuers, revocation, jobs and events (config §3, issuers §2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from certctl.domain.audit_copy import CopyTarget
from certctl.settings.kinds import (
    BOOLEAN,
    DEFERRED_SECRET,
    LABELS,
    PATH,
    SECRET,
    TEXT,
    choice,
    duration,
    integer,
    items,
    or_off,
)
from certctl.settings.kinds_net import AUDIT_COPY, HOST, PORT, url
from certctl.settings.schema import CaKeyType
from certctl.settings.secret import Secret, SecretSource
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
    meaning="CA certificate and its chain, PEM, of a subordinate CA.",
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
    meaning="nextUpdate of a CRL.",
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
    meaning="OCSP requests of one source per minute; 0 = off.",
)
EXPIRY_NOTICE_DAYS: Final[Variable[tuple[int, ...]]] = Variable(
    name="EXPIRY_NOTICE_DAYS",
    kind=items(integer(1, 3_650)),
    default=(30, 7, 1),
    default_text="30,7,1",
    meaning="Days before expiry on which a notice is sent.",
)
WEBHOOK_URLS: Final[Variable[tuple[str, ...]]] = Variable(
    name="WEBHOOK_URLS",
    kind=items(url("https", "http")),
    default=(),
    secret=True,
    meaning="Receivers of events.",
)
WEBHOOK_SECRET: Final[Variable[Secret | None]] = Variable(
    name="WEBHOOK_SECRET",
    kind=SECRET,
    default=None,
    secret=True,
    meaning="Key of the HMAC-SHA256 over each event.",
)
WEBHOOK_ALLOW_PRIVATE: Final = Variable(
    name="WEBHOOK_ALLOW_PRIVATE",
    kind=BOOLEAN,
    default=False,
    meaning="Receivers may have private addresses.",
)
SMTP_HOST: Final[Variable[str | None]] = Variable(
    name="SMTP_HOST", kind=HOST, default=None, meaning="Mail server."
)
SMTP_PORT: Final[Variable[int | None]] = Variable(
    name="SMTP_PORT", kind=PORT, default=None, meaning="Port of the mail server."
)
SMTP_USERNAME: Final[Variable[str | None]] = Variable(
    name="SMTP_USERNAME", kind=TEXT, default=None, meaning="User at the mail server."
)
SMTP_PASSWORD: Final[Variable[Secret | None]] = Variable(
    name="SMTP_PASSWORD", kind=SECRET, default=None, secret=True, meaning="Its password."
)
SMTP_FROM_ADDRESS: Final[Variable[str | None]] = Variable(
    name="SMTP_FROM_ADDRESS", kind=TEXT, default=None, meaning="Sender of mails."
)
SMTP_USE_TLS: Final[Variable[bool | None]] = Variable(
    name="SMTP_USE_TLS", kind=BOOLEAN, default=None, meaning="Speak TLS to the mail server."
)
SLACK_WEBHOOK_URL: Final[Variable[str | None]] = Variable(
    name="SLACK_WEBHOOK_URL",
    kind=url("https"),
    default=None,
    secret=True,
    meaning="Slack channel that receives events.",
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
    "counted from the end of their validity, and never of revoked ones",
)

ISSUER_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    TYPE,
    CA_CERT_PATH,
    CA_KEY_PATH,
    CA_KEY_TYPE,
    VALIDITY,
    CA_KEY_PASSPHRASE,
    FALLBACK,
)

ISSUING_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    ISSUERS,
    CRL_GENERATION_INTERVAL,
    CRL_DEBOUNCE,
    CRL_VALIDITY,
    OCSP_RESPONDER_VALIDITY,
    OCSP_RESPONDER_ROTATION_GRACE,
    OCSP_RATE_LIMIT_PER_IP_MIN,
    EXPIRY_NOTICE_DAYS,
    WEBHOOK_URLS,
    WEBHOOK_SECRET,
    WEBHOOK_ALLOW_PRIVATE,
    SMTP_HOST,
    SMTP_PORT,
    SMTP_USERNAME,
    SMTP_PASSWORD,
    SMTP_FROM_ADDRESS,
    SMTP_USE_TLS,
    SLACK_WEBHOOK_URL,
    AUDIT_COPY_TO,
    AUDIT_RETENTION,
    RECORD_RETENTION,
)
