"""Key files: nobody else gets at them, and a lost or exchanged one never means a new CA."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.harness.device import Device
from tests.harness.records import certificate_count
from tests.harness.server import RunningServer, quickstart_server
from tests.security.enrollment import (
    ENROLL,
    enrollment_password,
    first_device_enrolled,
    refuses_to_start,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """A server that has run once, under a umask that closes nothing."""
    server = quickstart_server(
        tmp_path_factory.mktemp("keys"), environment={"CERTCTL_WORKERS": "1"}
    )
    before = os.umask(0)
    try:
        with server:
            first_device_enrolled(server)
    finally:
        os.umask(before)
    return server


@pytest.fixture
def files(stopped: RunningServer) -> Files:
    return Files(stopped)


class Files:
    """The CA's files of a stopped server, put back as they were by ``restore``."""

    def __init__(self, server: RunningServer) -> None:
        data = server.database.parent
        self.key = data / "ca-iss-local.key"
        self.certificate = data / "ca-iss-local.pem"
        self.server_key = data / "server.key"
        self._kept = {
            path: (path.read_bytes(), mode(path))
            for path in (self.key, self.certificate, self.server_key)
        }

    def restore(self) -> None:
        for path, (octets, bits) in self._kept.items():
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_bytes(octets)
            path.chmod(bits)


def new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def test_modes_under_an_open_umask(stopped: RunningServer) -> None:
    """0600 and 0700 whatever the umask: nothing private was ever open, nor in an open folder."""
    demo = stopped.directory / "demo"
    data = stopped.database.parent
    assert mode(demo) == 0o700
    assert mode(data) == 0o700
    assert mode(data / "run") == 0o700
    for path in (data / "ca-iss-local.key", data / "server.key", stopped.database):
        assert mode(path) == 0o600, path
    for path in (demo / "enrollment-password", demo / "admin-key", demo / "device" / "device.key"):
        assert mode(path) == 0o600, path
    for path in data.rglob("*"):
        if path.suffix != ".pem" and path.is_file():
            assert mode(path) & 0o077 == 0, path


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o620, 0o602, 0o666])
def test_exposed_ca_key_is_refused(stopped: RunningServer, files: Files, bits: int) -> None:
    files.key.chmod(bits)
    try:
        text = refuses_to_start(stopped)
        assert str(files.key) in text
        assert f"chmod 600 {files.key}" in text
        assert mode(files.key) == bits, "refused, not quietly repaired"
    finally:
        files.restore()


def lose_key(files: Files) -> None:
    files.key.unlink()


def lose_certificate(files: Files) -> None:
    files.certificate.unlink()


def lose_both(files: Files) -> None:
    files.key.unlink()
    files.certificate.unlink()


def exchange_key(files: Files) -> None:
    files.key.write_bytes(new_key())


def empty_key(files: Files) -> None:
    files.key.write_bytes(b"")


def cut_key(files: Files) -> None:
    files.key.write_bytes(files.key.read_bytes()[:100])


def folder_for_key(files: Files) -> None:
    files.key.unlink()
    files.key.mkdir(mode=0o700)


def pipe_for_key(files: Files) -> None:
    files.key.unlink()
    os.mkfifo(files.key, 0o600)


def dangling_link_for_key(files: Files) -> None:
    files.key.unlink()
    files.key.symlink_to(files.key.with_name("nowhere"))


def certificate_of_another_kind(files: Files) -> None:
    files.certificate.write_bytes(b"no certificate\n")


DAMAGES: list[tuple[Callable[[Files], None], str]] = [
    (lose_key, "key"),
    (lose_certificate, "certificate"),
    (lose_both, "key"),
    (exchange_key, "certificate"),
    (empty_key, "key"),
    (cut_key, "key"),
    (folder_for_key, "key"),
    (pipe_for_key, "key"),
    (dangling_link_for_key, "key"),
    (certificate_of_another_kind, "certificate"),
]


@pytest.mark.parametrize(
    ("damage", "named"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES]
)
def test_damaged_ca_is_refused_and_never_replaced(
    stopped: RunningServer, files: Files, damage: Callable[[Files], None], named: str
) -> None:
    records = certificate_count(stopped)
    damage(files)
    damaged = {path: path.read_bytes() for path in _regular(files)}
    try:
        text = refuses_to_start(stopped)
        assert str(files.key if named == "key" else files.certificate) in text
        assert {path: path.read_bytes() for path in _regular(files)} == damaged
        assert certificate_count(stopped) == records
    finally:
        files.restore()


def test_another_whole_ca_is_refused(stopped: RunningServer, files: Files, tmp_path: Path) -> None:
    """Key and certificate that fit each other, but are not the ones on record."""
    with quickstart_server(tmp_path, environment={"CERTCTL_WORKERS": "1"}) as other:
        first_device_enrolled(other)
    others = Files(other)
    files.key.write_bytes(others.key.read_bytes())
    files.certificate.write_bytes(others.certificate.read_bytes())
    try:
        text = refuses_to_start(stopped)
        assert str(files.certificate) in text
        assert "not the CA on record" in text
    finally:
        files.restore()


def test_exposed_server_key_is_refused(stopped: RunningServer, files: Files) -> None:
    files.server_key.chmod(0o644)
    try:
        text = refuses_to_start(stopped)
        assert f"chmod 600 {files.server_key}" in text
    finally:
        files.restore()


def test_broken_server_key_is_refused(stopped: RunningServer, files: Files) -> None:
    files.server_key.write_bytes(b"no key\n")
    try:
        assert str(files.server_key) in refuses_to_start(stopped)
    finally:
        files.restore()


def test_mended_files_serve_again(stopped: RunningServer, files: Files, tmp_path: Path) -> None:
    """After all of the above: the same CA, all records, and it issues."""
    records = certificate_count(stopped)
    ca = files.certificate.read_bytes()
    (stopped.directory / "demo" / "ready").unlink(missing_ok=True)
    with stopped:
        device = Device(tmp_path, common_name="after-the-storm")
        response = device.enroll(stopped, ENROLL, password=enrollment_password(stopped))
        assert response.status == 200
    assert certificate_count(stopped) == records + 1
    assert files.certificate.read_bytes() == ca


def _regular(files: Files) -> list[Path]:
    return [path for path in (files.key, files.certificate) if path.is_file()]
