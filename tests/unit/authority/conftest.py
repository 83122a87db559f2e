"""An authority over a real store and a real CA, without processes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.authority.issue import IssuingRules
from certctl.authority.outbox import Outbox
from certctl.authority.service import AuthorityService
from certctl.domain.ids import sortable_id
from certctl.domain.order import Order
from certctl.domain.policy import DEFAULT_PROFILE
from certctl.domain.profiles import AuthMode, Operation
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyType
from certctl.store import SqlRecords, SqlStore, open_records, open_writable
from certctl.wire.pkcs10 import decode_pkcs10
from tests.harness.device import Device
from tests.harness.replacing import replace

NOW_US = 1_790_000_000_000_000


class Workshop:
    """Service, store, CA and a clock that stands still until moved."""

    def __init__(self, directory: Path, url: str | None = None) -> None:
        self.directory = directory
        self.url = url or f"sqlite:///{directory / 'certctl.db'}"
        self.now_us = NOW_US
        self.faults: list[BaseException] = []
        self.outbox: Outbox | None = None
        self.ca = LocalCA.open(
            directory,
            issuer_id="iss-local",
            key_type=KeyType.P256,
            passphrase=None,
            now_us=NOW_US,
            known_fingerprint=None,
        )
        self.rules = IssuingRules({"iss-local": self.ca}, {DEFAULT_PROFILE.id: DEFAULT_PROFILE})
        self.store: SqlStore = open_writable(self.url, node="node-a")
        self.service = self.serve_again()

    def serve_again(self, rules: IssuingRules | None = None) -> AuthorityService:
        self.service = AuthorityService(
            self.store,
            rules or self.rules,
            node=self.store.node,
            clock=lambda: self.now_us,
            new_id=lambda: sortable_id(self.now_us, secrets.token_bytes),
            on_fault=self.faults.append,
            outbox=self.outbox,
        )
        return self.service

    def records(self) -> SqlRecords:
        return open_records(self.url)

    def order(self, common_name: str = "device-1", **changes: object) -> Order:
        """An order as a worker makes it, for a fresh key, then changed as told."""
        csr = decode_pkcs10(_der(Device(self.directory, common_name)))
        made = Order(
            request_id=secrets.token_hex(8),
            operation=Operation.SIMPLEENROLL,
            profile="demo",
            certificate_profile="default",
            issuer_id="iss-local",
            principal=common_name,
            auth_mode=AuthMode.BASIC,
            source_address="192.0.2.7",
            tls_version="TLSv1.3",
            channel_binding="none",
            subject_der=csr.subject_der,
            spki_der=csr.spki_der,
            san_der=csr.san_der,
            key_agreement=False,
            csr_der=csr.der,
            csr_sha256=secrets.token_bytes(32),
            repetition_key=secrets.token_bytes(32),
        )
        return replace(made, **changes)


def _der(device: Device) -> bytes:
    return device.csr().public_bytes(Encoding.DER)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.store.close()
