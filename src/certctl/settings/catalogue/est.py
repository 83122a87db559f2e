"""Settings of EST: the master switch and one family per profile (config §2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from certctl.domain.limit import MAX_LIMIT
from certctl.domain.profiles import (
    AuthMode,
    Base64Form,
    ChallengePassword,
    IdentityBinding,
    OnReenroll,
    ReenrollKey,
)
from certctl.settings.kinds import (
    BOOLEAN,
    LABELS,
    PATH,
    SECRET,
    TEXT,
    choice,
    duration,
    integer,
    items,
)
from certctl.settings.kinds_net import url
from certctl.settings.secret import Secret
from certctl.settings.variable import DEFAULT_ISSUER, Scope, Variable

EST_ENABLED: Final = Variable(
    name="EST_ENABLED", kind=BOOLEAN, default=False, meaning="Master switch of EST."
)
EST_PROFILES: Final[Variable[tuple[str, ...]]] = Variable(
    name="EST_PROFILES",
    kind=items(TEXT),
    default=(),
    meaning="Names of the EST profiles; the lower-case name is the label in the URL.",
)
EST_ISSUER_ID: Final = Variable(
    name="EST_ISSUER_ID",
    kind=LABELS,
    default=DEFAULT_ISSUER,
    meaning="Issuer of the single profile at the root, used when EST_PROFILES is empty.",
)
EST_PROFILE_ID: Final[Variable[str | None]] = Variable(
    name="EST_PROFILE_ID",
    kind=LABELS,
    default=None,
    meaning="Certificate profile of that single profile.",
)
EST_ROOT_PROFILE: Final[Variable[str | None]] = Variable(
    name="EST_ROOT_PROFILE",
    kind=TEXT,
    default=None,
    meaning="Profile that is served at `/.well-known/est/` as well.",
)
EST_REQUIRE_AUTH: Final = Variable(
    name="EST_REQUIRE_AUTH",
    kind=BOOLEAN,
    default=False,
    meaning="Refuse to start while any profile is anonymous.",
)
EST_LOCKOUT_FAILURES: Final = Variable(
    name="EST_LOCKOUT_FAILURES",
    kind=integer(1, 1_000_000),
    default=10,
    meaning="Failed passwords in a row after which a source waits.",
)
EST_LOCKOUT_WINDOW: Final = Variable(
    name="EST_LOCKOUT_WINDOW",
    kind=duration(1, 30 * 86_400),
    default=3_600,
    default_text="1h",
    meaning="The time in which they are counted.",
)

ISSUER_ID: Final[Variable[str | None]] = Variable(
    name="ISSUER_ID",
    kind=LABELS,
    default=None,
    default_text="required",
    scope=Scope.PROFILE,
    meaning="Issuer that signs.",
)
PROFILE_ID: Final[Variable[str | None]] = Variable(
    name="PROFILE_ID",
    kind=LABELS,
    default=None,
    scope=Scope.PROFILE,
    meaning="Certificate profile: the issuing rules.",
)
ALLOWED_AUTH_MODES: Final[Variable[tuple[AuthMode, ...]]] = Variable(
    name="ALLOWED_AUTH_MODES",
    kind=items(choice(*AuthMode)),
    default=(),
    default_text="inferred from password and mTLS",
    scope=Scope.PROFILE,
    meaning="How devices may authenticate.",
)
ENROLLMENT_PASSWORD: Final[Variable[Secret | None]] = Variable(
    name="ENROLLMENT_PASSWORD",
    kind=SECRET,
    default=None,
    secret=True,
    scope=Scope.PROFILE,
    meaning="Password of HTTP Basic; at least 12 characters.",
)
MTLS_ENABLED: Final = Variable(
    name="MTLS_ENABLED",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="Accept client certificates; publishes the `est-mtls` route.",
)
MTLS_CLIENT_CA_TRUST_BUNDLE_PATH: Final[Variable[Path | None]] = Variable(
    name="MTLS_CLIENT_CA_TRUST_BUNDLE_PATH",
    kind=PATH,
    default=None,
    scope=Scope.PROFILE,
    meaning="PEM file of the CAs whose client certificates are trusted.",
)
MTLS_OWN_ONLY: Final = Variable(
    name="MTLS_OWN_ONLY",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="mTLS without a bundle: renewal with own certificates only.",
)
ACCEPT_FROM_PROFILES: Final[Variable[tuple[str, ...]]] = Variable(
    name="ACCEPT_FROM_PROFILES",
    kind=items(TEXT),
    default=(),
    scope=Scope.PROFILE,
    meaning="Other profiles whose certificates are credentials here.",
)
CHANNEL_BINDING_REQUIRED: Final = Variable(
    name="CHANNEL_BINDING_REQUIRED",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="The CSR must name its TLS connection.",
)
RATE_LIMIT_PER_PRINCIPAL_24H: Final = Variable(
    name="RATE_LIMIT_PER_PRINCIPAL_24H",
    kind=integer(0, MAX_LIMIT),
    default=0,
    default_text="0 = off",
    scope=Scope.PROFILE,
    meaning="Certificates per (CN, source) in any 24 hours; IPv6 sources count per /64.",
)
MTLS_CRL_POLICY: Final = Variable(
    name="MTLS_CRL_POLICY",
    kind=choice("soft", "hard"),
    default="soft",
    scope=Scope.PROFILE,
    meaning="What a missing or stale CRL means.",
)
RA_CERTIFICATES: Final[Variable[Path | None]] = Variable(
    name="RA_CERTIFICATES",
    kind=PATH,
    default=None,
    scope=Scope.PROFILE,
    meaning="PEM file of registration-authority certificates.",
)
SERVERKEYGEN_ENABLED: Final = Variable(
    name="SERVERKEYGEN_ENABLED",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="Make keys for devices; needs PROFILE_ID.",
)
SERVERKEYGEN_FORM: Final = Variable(
    name="SERVERKEYGEN_FORM",
    kind=choice("enveloped", "signed", "pkcs8"),
    default="enveloped",
    scope=Scope.PROFILE,
    meaning="How such a key travels.",
)
FULLCMC: Final = Variable(
    name="FULLCMC",
    kind=choice("off", "native", "proxy"),
    default="off",
    scope=Scope.PROFILE,
    meaning="Full CMC requests.",
)
FULLCMC_UPSTREAM: Final[Variable[str | None]] = Variable(
    name="FULLCMC_UPSTREAM",
    kind=url("https"),
    default=None,
    scope=Scope.PROFILE,
    meaning="EST server that `proxy` passes them to.",
)
IDENTITY_BINDING: Final = Variable(
    name="IDENTITY_BINDING",
    kind=choice(*IdentityBinding),
    default=IdentityBinding.NONE,
    scope=Scope.PROFILE,
    meaning="What the CSR must share with the client certificate.",
)
REENROLL_REQUIRE_SAME_SUBJECT: Final = Variable(
    name="REENROLL_REQUIRE_SAME_SUBJECT",
    kind=BOOLEAN,
    default=True,
    scope=Scope.PROFILE,
    meaning="A renewal keeps subject and SANs (RFC 7030 §4.2.2).",
)
REENROLL_KEY: Final = Variable(
    name="REENROLL_KEY",
    kind=choice(*ReenrollKey),
    default=ReenrollKey.ANY,
    scope=Scope.PROFILE,
    meaning="Whether a renewal must change or keep the key.",
)
REENROLL_GRACE: Final = Variable(
    name="REENROLL_GRACE",
    kind=duration(0, 3_650 * 86_400),
    default=0,
    default_text="0s",
    scope=Scope.PROFILE,
    meaning="How long an expired own certificate may still renew.",
)
ON_REENROLL: Final = Variable(
    name="ON_REENROLL",
    kind=choice(*OnReenroll),
    default=OnReenroll.KEEP,
    scope=Scope.PROFILE,
    meaning="What becomes of the renewed certificate.",
)
CHALLENGE_PASSWORD: Final = Variable(
    name="CHALLENGE_PASSWORD",
    kind=choice(*ChallengePassword),
    default=ChallengePassword.BINDING,
    scope=Scope.PROFILE,
    meaning="Whether that attribute may carry a channel binding.",
)
BASE64: Final = Variable(
    name="BASE64",
    kind=choice(*Base64Form),
    default=Base64Form.AUTO,
    scope=Scope.PROFILE,
    meaning="How answers are folded.",
)
CSRATTRS_TEMPLATE: Final = Variable(
    name="CSRATTRS_TEMPLATE",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="csrattrs with the RFC 9908 template beside the old form.",
)
INCLUDE_CHAIN: Final = Variable(
    name="INCLUDE_CHAIN",
    kind=BOOLEAN,
    default=False,
    scope=Scope.PROFILE,
    meaning="Answer with the CA chain beside the certificate.",
)
TENANT: Final[Variable[str | None]] = Variable(
    name="TENANT",
    kind=LABELS,
    default=None,
    scope=Scope.PROFILE,
    meaning="Label carried to records, audit and metrics.",
)
DEVICE_STATE_HOOK: Final[Variable[str | None]] = Variable(
    name="DEVICE_STATE_HOOK",
    kind=url("https", "http"),
    default=None,
    secret=True,
    scope=Scope.PROFILE,
    meaning="URL asked before issuing, also for a repeated request; only a clear yes counts.",
)

EST_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    EST_ENABLED,
    EST_PROFILES,
    EST_ISSUER_ID,
    EST_PROFILE_ID,
    EST_ROOT_PROFILE,
    EST_REQUIRE_AUTH,
    EST_LOCKOUT_FAILURES,
    EST_LOCKOUT_WINDOW,
)

PROFILE_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    ISSUER_ID,
    PROFILE_ID,
    ALLOWED_AUTH_MODES,
    ENROLLMENT_PASSWORD,
    MTLS_ENABLED,
    MTLS_CLIENT_CA_TRUST_BUNDLE_PATH,
    MTLS_OWN_ONLY,
    ACCEPT_FROM_PROFILES,
    CHANNEL_BINDING_REQUIRED,
    RATE_LIMIT_PER_PRINCIPAL_24H,
    MTLS_CRL_POLICY,
    RA_CERTIFICATES,
    SERVERKEYGEN_ENABLED,
    SERVERKEYGEN_FORM,
    FULLCMC,
    FULLCMC_UPSTREAM,
    IDENTITY_BINDING,
    REENROLL_REQUIRE_SAME_SUBJECT,
    REENROLL_KEY,
    REENROLL_GRACE,
    ON_REENROLL,
    CHALLENGE_PASSWORD,
    BASE64,
    CSRATTRS_TEMPLATE,
    INCLUDE_CHAIN,
    TENANT,
    DEVICE_STATE_HOOK,
)
