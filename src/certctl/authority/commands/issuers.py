"""Commands about issuers, as the API and the pages send them (issuers §4)."""

from __future__ import annotations

import msgspec

from certctl.domain.stored_issuers import IssuerState, Trial
from certctl.settings.schema import CaKeyType


class TestIssuer(msgspec.Struct, frozen=True, kw_only=True, tag="test_issuer"):
    """Try an issuer without issuing. Answer: ``IssuerTested``; ``InProgress`` while it is
    under way: send the same again. ``test_id`` is the caller's, unique to the trial.
    """

    # pytest takes classes of this name for tests.
    __test__ = False

    issuer_id: str
    test_id: str
    actor: str


class IssuerTested(msgspec.Struct, frozen=True, kw_only=True, tag="issuer_tested"):
    trial: Trial
    tested_us: int
    took_us: int


class CreateIssuer(msgspec.Struct, frozen=True, kw_only=True, tag="create_issuer"):
    """Make a local CA whose key the store keeps sealed. Answer: ``IssuerChanged``;
    ``InProgress`` while its key is made: send the same again.

    ``subordinate``: it waits for a certificate of a CA above (``InstallIssuer``).
    """

    issuer_id: str
    display_name: str
    key_type: CaKeyType
    validity_s: int
    actor: str
    common_name: str | None = None
    subordinate: bool = False


class InstallIssuer(msgspec.Struct, frozen=True, kw_only=True, tag="install_issuer"):
    """Give a waiting issuer its certificate: the chain (DER), its own first. Answer:
    ``IssuerChanged``.
    """

    issuer_id: str
    chain: tuple[bytes, ...]
    actor: str


class ChangeIssuer(msgspec.Struct, frozen=True, kw_only=True, tag="change_issuer"):
    """Name, enable or disable an issuer of the store; None leaves it. Answer:
    ``IssuerChanged``.
    """

    issuer_id: str
    actor: str
    display_name: str | None = None
    enabled: bool | None = None
    expected_version: int | None = None


class DeleteIssuer(msgspec.Struct, frozen=True, kw_only=True, tag="delete_issuer"):
    """Destroy the key of an issuer that nothing needs any more. Answer: ``IssuerChanged``."""

    issuer_id: str
    actor: str
    expected_version: int | None = None


class IssuerChanged(msgspec.Struct, frozen=True, kw_only=True, tag="issuer_changed"):
    issuer_id: str
    version: int
    state: IssuerState


IssuerCommand = TestIssuer | CreateIssuer | InstallIssuer | ChangeIssuer | DeleteIssuer
