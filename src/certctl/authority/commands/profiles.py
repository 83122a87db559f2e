"""Commands about certificate profiles in the store."""

from __future__ import annotations

import msgspec


class PutCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="put_profile"):
    """Keep a certificate profile in the store (policy §1). Answer: ``ProfileChanged``.

    ``document`` is JSON. ``expected_version`` 0 means that there must be none yet, None
    that it does not matter.
    """

    profile_id: str
    document: str
    actor: str
    expected_version: int | None = None


class DeleteCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="delete_profile"):
    """Remove a certificate profile from the store. Answer: ``ProfileChanged``."""

    profile_id: str
    actor: str
    expected_version: int | None = None


class ProfileChanged(msgspec.Struct, frozen=True, kw_only=True, tag="profile_changed"):
    profile_id: str
    version: int


ProfileCommand = PutCertificateProfile | DeleteCertificateProfile
