"""SIGHUP makes every worker trust what the bundles say now; a bad bundle changes nothing."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certctl.domain.audit import AuditAction, AuditEvent
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server

WORKERS = 2
# Both workers are among so many connections, but for once in 2**15 runs.
MANY = 16
WAIT_SECONDS = 20.0
CORP = "/.well-known/est/corp/simpleenroll"
PLANT = "/.well-known/est/plant/simpleenroll"


@dataclass
class Site:
    """A server whose profiles ``corp`` and ``plant`` each have a bundle of one factory."""

    directory: Path
    server: RunningServer
    corp: ForeignCA
    plant: ForeignCA
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def corp_bundle(self) -> Path:
        return self.directory / "corp.pem"

    def write(self, *anchors: ForeignCA) -> bytes:
        """Exchange corp's bundle as a careful operator does."""
        data = b"".join(
            each.certificate.public_bytes(serialization.Encoding.PEM) for each in anchors
        )
        fresh = self.corp_bundle.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(self.corp_bundle)
        return data

    def hang_up(self) -> None:
        self.server.process.send_signal(signal.SIGHUP)

    def statuses(self, factory: ForeignCA, path: str = CORP) -> set[int]:
        """Answers to a device of that factory on so many connections that all workers gave some."""
        number = next(self.numbers)
        device = factory.equip(Device(self.directory, f"of-{factory.common_name}-{number}"))
        return {device_answer(self.server, device, path) for _ in range(MANY)}

    def reloads(self) -> list[AuditEvent]:
        return [
            each.event
            for each in all_events(self.server)
            if each.event.action is AuditAction.TRUST_ANCHOR_RELOADED
        ]


def device_answer(server: RunningServer, device: Device, path: str) -> int:
    shown = device.certificate
    try:
        return device.enroll(server, path, with_certificate=True).status
    finally:
        device.certificate = shown


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    corp, plant = ForeignCA("corp-works"), ForeignCA("plant-works")
    settings = {"EST_PROFILES": "corp,plant", "WORKERS": str(WORKERS)}
    for name, factory in (("CORP", corp), ("PLANT", plant)):
        infix = f"EST_PROFILE_{name}_"
        settings[f"{infix}ISSUER_ID"] = "iss-local"
        settings[f"{infix}ALLOWED_AUTH_MODES"] = "mtls"
        settings[f"{infix}MTLS_ENABLED"] = "true"
        settings[f"{infix}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH"] = str(
            factory.bundle(tmp_path / f"{name.lower()}.pem")
        )
    with configured_server(tmp_path, settings) as server:
        yield Site(tmp_path, server, corp, plant)


def wait_until(holds: Callable[[], bool], server: RunningServer) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.02)


def test_an_added_anchor_opens_and_a_removed_one_closes_every_worker_at_once(site: Site):
    fresh = ForeignCA("new-works")
    assert site.statuses(fresh) == {401}
    site.write(site.corp, fresh)
    assert site.statuses(fresh) == {401}, "files alone change nothing"

    site.hang_up()
    taken_over(site, 1)

    assert site.statuses(fresh) == {200}
    assert site.statuses(site.corp) == {200}
    assert site.statuses(fresh, PLANT) == {401}, "the other profile trusts as before"

    site.write(fresh)
    site.hang_up()
    taken_over(site, 2)

    assert site.statuses(site.corp) == {401}
    assert site.statuses(fresh) == {200}
    added, removed = site.reloads()
    assert (added.actor, added.profile, added.details["reloaded_by"]) == (
        "system",
        "corp",
        "signal",
    )
    assert (added.details["path"], added.details["count"]) == (str(site.corp_bundle), 2)
    assert names(added, "added") == ["CN=new-works"]
    assert added.details["removed"] == []
    assert names(removed, "removed") == ["CN=corp-works"]
    assert removed.details["added"] == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("half_written", "cut off"),
        ("empty", "it is empty"),
        ("expired", "has expired"),
        ("directory", "is not a regular file"),
        ("missing", "cannot be read"),
        ("private_key", "holds a private key"),
        ("oversize", "larger than 8 MiB"),
        ("fifo", "is not a regular file"),
    ],
)
def test_a_bad_bundle_keeps_the_old_one_everywhere_and_says_why(
    site: Site, damage: str, problem: str
):
    spoil(site, damage)

    site.hang_up()
    wait_until(lambda: bool(site.server.log_events("trust_reload_refused")), site.server)
    # The workers have heard the signal, too.
    wait_until(lambda: len(site.server.log_events("tls_reloaded")) >= WORKERS, site.server)

    (told,) = site.server.log_events("trust_reload_refused")
    assert problem in str(told["problem"])
    assert (told["profile"], told["path"]) == ("corp", str(site.corp_bundle))
    assert told["remedy"]
    assert "PRIVATE KEY" not in site.server.log()
    assert site.statuses(site.corp) == {200}
    assert site.reloads() == []

    for pid in site.server.processes()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(site.server.log_events("process_ended")) >= WORKERS, site.server)
    site.server.wait_ready()
    assert site.statuses(site.corp) == {200}, "restarted workers have the old anchors as well"
    (authority,) = site.server.processes()["authority"]
    os.kill(authority, signal.SIGKILL)
    wait_until(lambda: len(site.server.log_events("process_ended")) > WORKERS, site.server)
    site.server.wait_ready()
    assert site.statuses(site.corp) == {200}, "and so has a restarted authority"


def test_a_mended_bundle_is_taken_by_the_next_signal(site: Site):
    spoil(site, "half_written")
    site.hang_up()
    wait_until(lambda: bool(site.server.log_events("trust_reload_refused")), site.server)
    fresh = ForeignCA("new-works")
    site.corp_bundle.write_bytes(fresh.certificate.public_bytes(serialization.Encoding.PEM))

    site.hang_up()
    taken_over(site, 1)

    assert site.statuses(fresh) == {200}


def test_a_storm_of_signals_is_one_reload_and_loses_no_request(site: Site):
    fresh = ForeignCA("new-works")
    site.write(site.corp, fresh)
    answers: list[int] = []
    stop = threading.Event()

    def enroll_on_and_on(number: int) -> None:
        device = site.corp.equip(Device(site.directory, f"busy-{number}"))
        while not stop.is_set():
            answers.append(device_answer(site.server, device, CORP))

    busy = [threading.Thread(target=enroll_on_and_on, args=(number,)) for number in range(3)]
    for thread in busy:
        thread.start()
    for _ in range(50):
        site.hang_up()
        time.sleep(0.01)
    taken_over(site, 1)
    stop.set()
    for thread in busy:
        thread.join()

    assert set(answers) == {200}
    assert site.statuses(fresh) == {200}
    assert len(site.reloads()) == 1
    assert site.server.log_events("process_ended") == []
    assert site.server.stop() == 0


def taken_over(site: Site, events: int) -> None:
    """Wait until the authority has recorded so many reloads and all workers have followed."""
    wait_until(lambda: len(site.reloads()) >= events, site.server)
    sha256 = site.reloads()[events - 1].details["sha256"]

    def followed() -> bool:
        loaded = site.server.log_events("trust_loaded")
        return len({each["process"] for each in loaded if each["sha256"] == sha256}) >= WORKERS

    wait_until(followed, site.server)


def names(event: AuditEvent, change: str) -> list[str]:
    anchors = event.details[change]
    assert isinstance(anchors, list)
    return [each.partition(" (sha256 ")[0] for each in anchors]


def spoil(site: Site, damage: str) -> None:
    bundle, pem = site.corp_bundle, site.corp_bundle.read_bytes()
    match damage:
        case "half_written":
            bundle.write_bytes(pem + pem[:300])
        case "empty":
            bundle.write_bytes(b"")
        case "expired":
            bundle.write_bytes(pem + expired_anchor())
        case "directory":
            bundle.unlink()
            bundle.mkdir()
        case "missing":
            bundle.unlink()
        case "private_key":
            key = site.corp.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            bundle.write_bytes(pem + key)
        case "oversize":
            bundle.write_bytes(pem + b"#" * 8 * 1024 * 1024)
        case "fifo":
            bundle.unlink()
            os.mkfifo(bundle)
        case _:
            raise ValueError(damage)


def expired_anchor() -> bytes:
    old = ForeignCA("old-works")
    device = old.equip(Device(Path(), "old"), days=(-30, -1))
    assert device.certificate is not None
    return device.certificate.public_bytes(serialization.Encoding.PEM)
