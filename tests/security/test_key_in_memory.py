"""The CA's private key is in the authority's memory and in that of no other process."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.harness.raw import RawClient, post
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL
from tests.unit.wire import forge

PIECE = 1 << 20
_READABLE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r")


def scalar_of(path: Path) -> bytes:
    """The private number of an EC key file, 32 octets, big endian."""
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(32, "big")


def forms(key_file: Path) -> list[bytes]:
    """As it stands in PKCS#8, in OpenSSL's big numbers (little endian), and in the PEM."""
    scalar = scalar_of(key_file)
    lines = [line for line in key_file.read_bytes().splitlines() if not line.startswith(b"---")]
    return [scalar, scalar[::-1], lines[0][-40:], scalar.hex().encode()]


def held_by(pid: int, needles: list[bytes]) -> bool:
    overlap = max(map(len, needles)) - 1
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = _READABLE.match(line)
            if found is None or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(each, 16) for each in found.groups())
            for at in range(start, end, PIECE):
                try:
                    memory.seek(at)
                    octets = memory.read(min(PIECE + overlap, end - at))
                except OSError:
                    continue  # a page that nobody has touched, or a device's
                if any(needle in octets for needle in needles):
                    return True
    return False


def may_read_memory(server: RunningServer) -> bool:
    (authority,) = server.processes()["authority"]
    try:
        with Path(f"/proc/{authority}/mem").open("rb"):
            return True
    except PermissionError:
        return False


@pytest.fixture
def tree(server: RunningServer, authorization: str) -> dict[str, list[int]]:
    """The processes, after every one of them has done its work."""
    if not may_read_memory(server):
        assert os.geteuid() != 0 or not os.environ.get("CI"), "CI must look into memory"
        pytest.skip("reading another process's memory needs root and CAP_SYS_PTRACE")
    for number in range(40):
        csr = forge.request(subject=forge.name((forge.CN, f"device-{number}")))
        with RawClient(server) as client:
            client.send(post(ENROLL, csr, authorization))
            assert client.answer().status == 200
    return server.processes()


def test_ca_key_is_in_the_authority_alone(
    server: RunningServer, tree: dict[str, list[int]]
) -> None:
    needles = forms(server.database.parent / "ca-iss-local.key")
    assert held_by(tree["authority"][0], needles), "the search must be able to find it"
    assert len(tree["worker"]) == 2
    for kind in ("supervisor", "worker"):
        for pid in tree[kind]:
            assert not held_by(pid, needles), kind


def test_listener_key_is_in_the_workers(server: RunningServer, tree: dict[str, list[int]]) -> None:
    """Where it belongs; a second proof that the search finds what is there."""
    needles = forms(server.database.parent / "server.key")
    assert all(held_by(pid, needles) for pid in tree["worker"])
    assert not held_by(tree["supervisor"][0], needles)


def test_a_restarted_authority_has_it_alone_again(
    server: RunningServer, tree: dict[str, list[int]], authorization: str
) -> None:
    """The supervisor forks it anew, and forks nothing that it could have left behind."""
    os.kill(tree["authority"][0], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while True:
        with RawClient(server) as client:
            csr = forge.request(subject=forge.name((forge.CN, "after-a-restart")))
            client.send(post(ENROLL, csr, authorization))
            if client.answer().status == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    needles = forms(server.database.parent / "ca-iss-local.key")
    again = server.processes()
    assert again["authority"] != tree["authority"]
    assert held_by(again["authority"][0], needles)
    for pid in (*again["supervisor"], *again["worker"]):
        assert not held_by(pid, needles)


def test_authority_leaves_no_core(tree: dict[str, list[int]]) -> None:
    limits = Path(f"/proc/{tree['authority'][0]}/limits").read_text()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
