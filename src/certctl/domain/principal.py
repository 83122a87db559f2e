"""Who was authenticated, and by what. Only ``enroll.authenticate`` makes these."""

from __future__ import annotations

from msgspec import Struct

from certctl.domain.profiles import AuthMode


class Credential(Struct, frozen=True, kw_only=True):
    """The client certificate a caller proved to hold and this profile accepted.

    ``own`` says that the certificate is on record here, as ``certificate_id``; then
    ``subject_der`` and ``san_der`` are those of that record. A registration authority
    speaks for others (RFC 7030 §3.7): what binds a device to its own certificate does
    not bind it.
    """

    fingerprint: bytes
    serial: str
    subject: str
    issuer: str
    subject_der: bytes
    san_der: bytes
    own: bool
    certificate_id: str | None = None
    registration_authority: bool = False


class Principal(Struct, frozen=True, kw_only=True):
    """The authenticated caller.

    ``name`` is what records show: the Basic user name, the subject of the client
    certificate, or ``anonymous``. ``key`` identifies the caller for repetition
    (policy §5): certificate fingerprint, Basic user, or ``anonymous``.
    """

    name: str
    key: str
    auth_mode: AuthMode
    credential: Credential | None = None

    @property
    def registration_authority(self) -> bool:
        """Whether the caller asks for somebody else (RFC 7030 §3.7)."""
        return self.credential is not None and self.credential.registration_authority
