"""Of a file that a tool names nothing goes to a server but a CSR or a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.mcp.arguments import Explain
from certctl.mcp.backend import EstAnswer, EstAsk, ToolFailure
from certctl.mcp.operator_tools import explain
from tests.harness.device import Device
from tests.harness.pki import ForeignCA

EXPLAINED: dict[str, object] = {
    "profile": "corp",
    "operation": "simpleenroll",
    "outcome": "issued",
    "refused_by": None,
    "rules": [],
    "certificate": None,
}


class Kept:
    """A backend that keeps what it is sent."""

    request_id = ""

    def __init__(self) -> None:
        self.sent: Mapping[str, object] = {}

    async def management(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        assert (method, path, query) == ("POST", "/est/explain", None)
        self.sent = body or {}
        return EXPLAINED

    async def est(self, ask: EstAsk) -> EstAnswer:
        raise NotImplementedError

    async def file(self, path: str) -> bytes:
        return await anyio.Path(path).read_bytes()

    async def doctor(self, url: str | None, profile: str) -> Any:
        raise NotImplementedError


def test_a_private_key_beside_a_certificate_or_csr_stays(tmp_path: Path):
    device = Device(tmp_path, "d-1")
    key = device.key_file.read_bytes()
    csr = device.csr().public_bytes(Encoding.PEM)
    ca = ForeignCA("some CA").certificate.public_bytes(Encoding.PEM)
    (tmp_path / "both.csr").write_bytes(key + csr)
    (tmp_path / "both.pem").write_bytes(key + ca)
    backend = Kept()
    asked = Explain(profile="corp", csr=str(tmp_path / "both.csr"), cert=str(tmp_path / "both.pem"))
    anyio.run(explain, backend, asked)
    assert backend.sent["csr"] == csr.decode()
    assert backend.sent["certificate"] == ca.decode()


@pytest.mark.parametrize("field", ["csr", "cert"])
def test_a_file_that_holds_neither_is_neither_sent_nor_told(tmp_path: Path, field: str):
    (tmp_path / "secret").write_bytes(Device(tmp_path, "d-2").key_file.read_bytes())
    backend = Kept()
    given = {"csr": "-----BEGIN", field: str(tmp_path / "secret")}
    with pytest.raises(ToolFailure) as failed:
        anyio.run(explain, backend, Explain.model_validate(given))
    assert failed.value.error.endswith("_unreadable")
    assert "PRIVATE" not in f"{failed.value.message} {failed.value.remedy}"
    assert not backend.sent
