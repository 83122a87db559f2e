"""All refusals, one tree. A class carries data; edges turn it into words and statuses.

::

    Failure
    ├── AuthenticationFailure
    │   ├── CredentialMissing          no credential at all: leaves no event (records §6)
    │   ├── WrongPassword
    │   └── CertificateRefused         reason: missing, untrusted, expired, not_yet_valid,
    │                                  revoked, wrong_usage, other_profile, not_own
    ├── BindingFailure                 reason: mismatch, malformed, no_exporter
    ├── RequestMalformed               reason: empty, not_base64, not_pkcs10, …
    │   ├── BodyTooLarge
    │   └── SignatureWrong
    ├── PolicyViolation                dimension, wanted, got
    ├── NotAllowed                     reason: subject_changed, san_changed, nothing_to_renew
    ├── OcspRefused                    error: malformedRequest, unauthorized …; unsigned answer
    ├── CrlRefused                     reason: malformed, algorithm, issuer, number, dates …
    ├── Unavailable                    retry_after seconds; what: issuer, store, profile
    └── InternalError                  a bug of ours; only its id leaves the process

``counter`` and ``action`` say what a failure leaves in the records; ``action`` None
means the failed event of the operation (``est_simple_enroll_failed`` …). Only
``web.problems`` knows statuses and texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.revocation import OcspError


class Failure(Exception):
    """Base of everything that refuses a request."""

    action: ClassVar[AuditAction | None] = None
    counter: ClassVar[Counter | None] = None

    reason: str = ""

    def details(self) -> Mapping[str, str | int | list[str]]:
        """What the audit event keeps about this failure; never a secret."""
        return {"reason": self.reason}


class AuthenticationFailure(Failure):
    """The caller did not show a credential that opens this profile."""


class CredentialMissing(AuthenticationFailure):
    """No credential at all: the first half of a challenge, not an attack."""

    reason = "missing"


class WrongPassword(AuthenticationFailure):
    """HTTP Basic credentials that do not open this profile, or cannot be read."""

    action = AuditAction.AUTH_FAILED_BASIC
    counter = Counter.AUTH_FAILED_BASIC
    reason = "wrong_password"

    def __init__(self, *, user: str = "") -> None:
        super().__init__(self.reason)
        self.user = user

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "user": self.user}


class CertificateRefused(AuthenticationFailure):
    """A client certificate is needed, and none or an unacceptable one was shown."""

    action = AuditAction.AUTH_FAILED_MTLS
    counter = Counter.AUTH_FAILED_MTLS

    def __init__(
        self, reason: str, *, subject: str = "", issuer: str = "", serial: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = subject
        self.issuer = issuer
        self.serial = serial

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {
            "reason": self.reason,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
        }


class BindingFailure(Failure):
    """The CSR names a TLS connection that is not this one (RFC 7030 §3.5, RFC 9266)."""

    action = AuditAction.AUTH_FAILED_CHANNEL_BINDING
    counter = Counter.AUTH_FAILED_CHANNEL_BINDING

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestMalformed(Failure):
    """The body is not one PKCS#10 request; ``reason`` is a code, ``note`` says where."""

    counter = Counter.CSR_INVALID

    def __init__(self, reason: str, note: str = "") -> None:
        super().__init__(reason, note)
        self.reason = reason
        self.note = note

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": "csr_invalid", "fault": self.reason, "note": self.note}


class BodyTooLarge(RequestMalformed):
    """The body is longer than this server reads."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_large", f"more than {limit} octets")
        self.limit = limit


class SignatureWrong(RequestMalformed):
    """The CSR's signature does not prove possession of its key."""

    counter = Counter.CSR_SIGNATURE_MISMATCH

    def __init__(self, note: str = "") -> None:
        super().__init__("csr_signature", note)

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": "csr_signature", "note": self.note}


class PolicyViolation(Failure):
    """The certificate profile does not allow what was asked.

    ``dimension`` is one of key_algorithm, key_size, eku, san, subject, attribute, name,
    extension, weak_key. ``name_refused`` marks the refusals of a name itself (403).
    """

    action = AuditAction.CSR_POLICY_VIOLATION
    counter = Counter.CSR_POLICY_VIOLATION

    def __init__(self, dimension: str, *, wanted: str, got: str) -> None:
        super().__init__(dimension, wanted, got)
        self.reason = dimension
        self.dimension = dimension
        self.wanted = wanted
        self.got = got

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"dimension": self.dimension, "wanted": self.wanted, "got": self.got}


class NotAllowed(Failure):
    """Authenticated and well formed, but the renewal rules say no."""

    counter = Counter.CSR_POLICY_VIOLATION

    def __init__(self, reason: str, *, wanted: str = "", got: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.wanted = wanted
        self.got = got

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "wanted": self.wanted, "got": self.got}


class OcspRefused(Failure):
    """An OCSP request that gets an error in place of a status (RFC 6960 §2.3)."""

    def __init__(self, error: OcspError, note: str = "") -> None:
        super().__init__(error.value, note)
        self.reason = error.value
        self.error = error
        self.note = note


class CrlRefused(Failure):
    """The authority does not sign this list of revoked certificates.

    ``reason`` is one of malformed, algorithm, issuer, key_identifier, number, dates, usage.
    """

    def __init__(self, reason: str, *, wanted: str = "", got: str = "") -> None:
        super().__init__(reason, wanted, got)
        self.reason = reason
        self.wanted = wanted
        self.got = got

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "wanted": self.wanted, "got": self.got}


class Unavailable(Failure):
    """Something we need is away and will be back: try again after ``retry_after`` seconds."""

    counter = Counter.INTERNAL_ERROR
    reason = "store_error"

    def __init__(self, what: str, *, retry_after: int = 2) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after = retry_after

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "what": self.what}


class IssuerUnavailable(Unavailable):
    """The issuer cannot sign now."""

    counter = Counter.ISSUER_ERROR
    reason = "issuer_error"


class StoreUnavailable(Unavailable):
    """The authority or its database cannot record now, so nothing is issued."""


class InternalError(Failure):
    """A fault of ours; the peer learns the request id and nothing else."""

    counter = Counter.INTERNAL_ERROR
    reason = "internal"
