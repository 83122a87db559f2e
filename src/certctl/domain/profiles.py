"""An EST profile: one endpoint group with its rules, ready for use.

Settings (``certctl.settings``) are what was written; an ``EstProfile`` is what the
gates of ``certctl.enroll`` work with. No secret is in here: passwords are handed to
the gates as digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AuthMode(StrEnum):
    """How a caller may authenticate; the closed set of ``ALLOWED_AUTH_MODES``."""

    MTLS = "mtls"
    BASIC = "basic"
    ANONYMOUS = "anonymous"


class Operation(StrEnum):
    """EST operations served here, by their path segment (RFC 7030 §3.2.2)."""

    CACERTS = "cacerts"
    CSRATTRS = "csrattrs"
    SIMPLEENROLL = "simpleenroll"
    SIMPLEREENROLL = "simplereenroll"


ENROLLING = frozenset({Operation.SIMPLEENROLL, Operation.SIMPLEREENROLL})
"""The operations that end in a certificate; all are POST."""


class Route(StrEnum):
    """The two siblings under ``/.well-known/``."""

    STANDARD = "est"
    MTLS = "est-mtls"


class IdentityBinding(StrEnum):
    """What a first CSR must share with the client certificate (``IDENTITY_BINDING``)."""

    NONE = "none"
    CN = "cn"
    SERIAL_NUMBER = "serial_number"
    SUBJECT = "subject"


class Base64Form(StrEnum):
    """How base64 answers are folded (``BASE64`` setting)."""

    AUTO = "auto"
    WRAPPED = "wrapped"
    SINGLE_LINE = "single-line"


class ChallengePassword(StrEnum):
    """What a challengePassword attribute is for (``CHALLENGE_PASSWORD`` setting)."""

    BINDING = "binding"
    IGNORE = "ignore"


class ReenrollKey(StrEnum):
    """What a renewal does about the key (``REENROLL_KEY``)."""

    ANY = "any"
    NEW = "new"
    SAME = "same"


class OnReenroll(StrEnum):
    """What becomes of the renewed certificate (``ON_REENROLL``)."""

    KEEP = "keep"
    REVOKE_OLD = "revoke_old"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstProfile:
    """One EST profile after all checks.

    ``path_id`` is the label in the URL and the name in records; the legacy single
    profile has the empty label. ``limit_24h`` is certificates per name and source; 0 is
    no limit. ``reenroll_grace_us`` is how long an expired certificate of this profile
    may still renew.
    """

    path_id: str
    issuer_id: str
    certificate_profile_id: str | None = None
    auth_modes: frozenset[AuthMode] = frozenset()
    mtls_own_only: bool = False
    accept_from_profiles: frozenset[str] = frozenset()
    binding_required: bool = False
    challenge_password: ChallengePassword = ChallengePassword.BINDING
    identity_binding: IdentityBinding = IdentityBinding.NONE
    same_subject: bool = True
    reenroll_key: ReenrollKey = ReenrollKey.ANY
    reenroll_grace_us: int = 0
    on_reenroll: OnReenroll = OnReenroll.KEEP
    base64_form: Base64Form = Base64Form.AUTO
    csrattrs_template: bool = False
    include_chain: bool = False
    limit_24h: int = 0
    tenant: str | None = None

    @property
    def anonymous(self) -> bool:
        return AuthMode.ANONYMOUS in self.auth_modes or not self.auth_modes

    @property
    def mtls(self) -> bool:
        return AuthMode.MTLS in self.auth_modes

    @property
    def basic(self) -> bool:
        return AuthMode.BASIC in self.auth_modes


def profile_name(path_id: str) -> str:
    """An EST profile for people: the legacy root has no path ID."""
    return path_id or "(legacy root)"
