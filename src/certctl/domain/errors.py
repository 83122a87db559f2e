"""All refusals, one tree. A class carries data; edges turn it into words and statuses.

::

    Failure
    ├── AuthenticationFailure
    │   ├── CredentialMissing          no credential at all: leaves no event (records §6)
    │   ├── WrongPassword
    │   └── CertificateRefused         reason: missing, untrusted, expired, not_yet_valid,
    │                                  revoked, no_crl, wrong_usage, other_profile
    ├── LockedOut                      too many wrong passwords from this source
    ├── BindingFailure                 reason: missing, malformed, mismatch, no_exporter
    ├── RequestMalformed               reason: empty, not_base64, not_pkcs10, …
    │   ├── BodyTooLarge
    │   └── SignatureWrong
    ├── ProxyHeaderRefused             header, fault: what a trusted proxy said is unreadable
    ├── PolicyViolation                dimension, wanted, got
    ├── NotAllowed                     reason: subject_changed, san_changed, key_not_new,
    │                                  key_changed, nothing_to_renew, identity_mismatch
    │   ├── Denied                     an operator refused this very request
    │   └── DeviceStateFailed          the device-state hook did not say yes
    ├── RateLimited                    this principal had its certificates for now
    ├── Pending                        waits for an operator: not a refusal, not a grant
    ├── InProgress                     a CA outside is at work on this very request
    ├── IssuerRefused                  a CA outside said no; note: its reason
    ├── IssuerMisbehaved               a CA outside gave something else than was ordered
    ├── OcspRefused                    error: malformedRequest, unauthorized …; unsigned answer
    ├── CrlRefused                     reason: malformed, algorithm, issuer, number, dates …
    ├── Unavailable                    retry_after seconds; what is away
    │   ├── IssuerUnavailable
    │   │   ├── IssuerDisabled         switched off (``domain.issuer_disabled``)
    │   │   └── IssuerSilent           it had the order and gave no clear answer
    │   ├── StoreUnavailable
    │   ├── CertificateProfileUnavailable
    │   └── WaitingRoomFull
    ├── LeaseLost                      a job's lease was taken by another node
    ├── NotFound                       a host command named something not on record
    ├── Conflict                       a host command came too late, or twice
    ├── KeyReused                      an Idempotency-Key came with two different requests
    ├── TrustRefused                   reason: no_bundle, bundle, not_running
    └── InternalError                  a bug of ours; only its id leaves the process

``counter`` and ``action`` say what a failure leaves in the records; ``action`` None
means the failed event of the operation (``est_simple_enroll_failed`` …).
``ends_connection`` is set where no request may follow on the connection, ``caller`` where
it was known who asked, ``on_record`` where the authority has recorded the failure with
what it tells of. Only ``web.problems`` knows statuses and texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.ocsp import OcspError

if TYPE_CHECKING:
    from certctl.domain.principal import Principal


class Failure(Exception):
    """Base of everything that refuses a request."""

    action: ClassVar[AuditAction | None] = None
    counter: ClassVar[Counter | None] = None

    reason: str = ""
    ends_connection: bool = False
    caller: Principal | None = None
    on_record: bool = False

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
    counter: ClassVar[Counter] = Counter.AUTH_FAILED_BASIC
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


class LockedOut(AuthenticationFailure):
    """Too many wrong passwords in a row from this source (est §3).

    ``retry_after`` is in seconds: until the window ends. ``failures`` is how many there
    were; while a source waits its attempts are not counted on.
    """

    action = AuditAction.AUTH_FAILED_BASIC
    counter = Counter.AUTH_FAILED_BASIC
    reason = "locked_out"

    def __init__(self, *, retry_after: int, failures: int = 0) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
        self.failures = failures

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "failures": self.failures}


class BindingFailure(Failure):
    """The CSR names a TLS connection that is not this one (RFC 7030 §3.5, RFC 9266)."""

    action = AuditAction.AUTH_FAILED_CHANNEL_BINDING
    counter = Counter.AUTH_FAILED_CHANNEL_BINDING
    ends_connection = True

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


class ProxyHeaderRefused(Failure):
    """A trusted proxy says something about its client that cannot be read, or two things.

    ``header`` is the header's name, ``fault`` a code of ``certctl.wire.proxy_headers``.
    """

    counter = Counter.CSR_INVALID
    reason = "proxy_header"

    def __init__(self, header: str, fault: str) -> None:
        super().__init__(header, fault)
        self.header = header
        self.fault = fault

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "header": self.header, "fault": self.fault}


class PolicyViolation(Failure):
    """The certificate profile does not allow what was asked.

    ``dimension`` is one of key_algorithm, key_size, eku, san, subject, attribute, name,
    extension, weak_key, lint. ``name_refused`` marks the refusals of a name itself (403).
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
    """Authenticated and well formed, but not for this caller: renewal or identity rules."""

    counter = Counter.CSR_POLICY_VIOLATION

    def __init__(self, reason: str, *, wanted: str = "", got: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.wanted = wanted
        self.got = got

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "wanted": self.wanted, "got": self.got}


class Denied(NotAllowed):
    """An operator denied the request that waits under this repetition key; ``note`` is why."""

    action = AuditAction.REQUEST_DENIED

    def __init__(self, *, note: str = "") -> None:
        super().__init__("denied")
        self.note = note

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "note": self.note}


class DeviceStateFailed(NotAllowed):
    """The device-state hook denied, or could not be asked: it fails closed (policy §5)."""

    action = AuditAction.DEVICE_STATE_FAILED

    def __init__(self, *, note: str = "") -> None:
        super().__init__("device_state")
        self.note = note

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "note": self.note}


class RateLimited(Failure):
    """This principal has had ``limit`` certificates within 24 hours (policy §5).

    ``retry_after`` is in seconds: until the oldest of them leaves the window.
    """

    action = AuditAction.RATE_LIMITED
    counter = Counter.RATE_LIMITED
    reason = "rate_limited"

    def __init__(self, *, limit: int, retry_after: int) -> None:
        super().__init__(limit, retry_after)
        self.limit = limit
        self.retry_after = retry_after

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "limit": self.limit, "retry_after": self.retry_after}


class Pending(Failure):
    """The request waits for approval: ask again with the same request (RFC 7030 §4.2.3).

    The authority records the event when the request begins to wait; polls leave nothing.
    """

    action = AuditAction.REQUEST_PENDING
    reason = "pending"

    def __init__(self, *, request: str, retry_after: int) -> None:
        super().__init__(request, retry_after)
        self.request = request
        self.retry_after = retry_after

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "request": self.request}


class InProgress(Failure):
    """The CA outside has this very request already: ask again with it (RFC 7030 §4.2.3).

    Leaves no event: what the CA answers will.
    """

    reason = "in_progress"

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class IssuerRefused(Failure):
    """A CA outside refused the order and has issued nothing; ``note`` is its reason."""

    counter = Counter.ISSUER_ERROR
    reason = "issuer_error"

    def __init__(self, note: str = "") -> None:
        super().__init__(note)
        self.note = note

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "fault": "refused", "note": self.note}


class IssuerMisbehaved(Failure):
    """A CA outside gave something that was not ordered; ``note`` says what differs.

    It may have issued a certificate. The device learns nothing of it.
    """

    counter = Counter.ISSUER_ERROR
    reason = "issuer_error"
    ends_connection = True  # as with every fault that is not the device's

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "fault": "misbehaved", "note": self.note}


class OcspRefused(Failure):
    """An OCSP request that gets an error in place of a status (RFC 6960 §2.3)."""

    def __init__(self, error: OcspError, note: str = "") -> None:
        super().__init__(error.value, note)
        self.reason = error.value
        self.error = error
        self.note = note


class CrlRefused(Failure):
    """The authority does not sign this list of revoked certificates.

    ``reason`` is one of malformed, algorithm, issuer, key_identifier, number, dates, usage,
    size, partition, distribution_point.
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


class IssuerSilent(IssuerUnavailable):
    """A CA outside had the order, and no clear answer came: it may have issued.

    Every other ``IssuerUnavailable`` means that it has not.
    """


class StoreUnavailable(Unavailable):
    """The authority or its database cannot record now, so nothing is issued."""


class CertificateProfileUnavailable(Unavailable):
    """The certificate profile is missing or switched off: no issuance (policy §1)."""

    reason = "certificate_profile"


class WaitingRoomFull(Unavailable):
    """As many requests wait for approval as are kept; this one was not put on record."""

    reason = "waiting_room"


class LeaseLost(Failure):
    """A job went on after its lease ran out; nothing of what it asked for was done."""

    reason = "lease_lost"

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job


class NotFound(Failure):
    """A command named something that is not there; ``what`` says what."""

    reason = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Conflict(Failure):
    """A host command meets something that is not in a state for it; ``what`` says how."""

    reason = "conflict"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class KeyReused(Failure):
    """An ``Idempotency-Key`` came again with another request than before."""

    reason = "idempotency_key_reused"


class CommandRefused(Failure):
    """The authority does not do this for the key that a worker named.

    ``reason``: ``no_key``, ``unknown``, ``expired``, ``revoked``, ``role``, ``scope``, or
    ``not_for_keys`` (no key opens it). ``name`` is the key's where it is one of ours.
    """

    def __init__(self, reason: str, *, wanted: str = "", name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.wanted = wanted
        self.name = name

    def details(self) -> Mapping[str, str | int | list[str]]:
        return {"reason": self.reason, "wanted": self.wanted}


class TrustRefused(Failure):
    """A trust bundle was not reloaded; the one in force stays.

    ``reason``: ``no_bundle`` (the profile has none), ``bundle`` (the file must not be
    used), ``not_running`` (no server is there to reload it). ``problem`` and ``remedy``
    are for the operator who asked.
    """

    def __init__(self, reason: str, *, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.reason = reason
        self.problem = problem
        self.remedy = remedy


class InternalError(Failure):
    """A fault of ours; the peer learns the request id and nothing else."""

    counter = Counter.INTERNAL_ERROR
    reason = "internal"
    ends_connection = True  # whatever came before the fault, a binding perhaps, is used up
