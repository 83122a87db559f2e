"""A device's identity: killed at each step it keeps a pair that fits, and finishes later."""

from __future__ import annotations

import base64
import datetime as dt
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from certctl.client.address import Address
from certctl.client.device.device import Device, Done, run_hook
from certctl.client.device.folder import IdentityFolder
from certctl.client.device.timing import Schedule, retry_after
from certctl.client.est import BasicAuth, EstServer
from certctl.client.failures import BadAnswer, BadInput, ClientFailure, Refused, StillPending
from certctl.client.request import NewKey, Wanted
from certctl.client.tls import Trust
from tests.harness.faulty_est import FaultyServer, Said, cas, certified, now

ROOT = certified("device root", ca=True, days=(-1, 3650))
ISSUE = Said(200, b"issue")
NO_STEPS = 1_000


@dataclass
class Site:
    directory: Path
    server: FaultyServer
    port: int

    def device(self, *, hook: tuple[str, ...] = (), schedule: Schedule | None = None) -> Device:
        return Device(
            folder=IdentityFolder(directory=self.directory / "identity"),
            server=EstServer(
                address=Address(host="localhost", port=self.port),
                profile="iot",
                trust=Trust(ca_file=self.directory / "root.pem"),
                basic=BasicAuth(user="device", password="password"),
            ),
            wanted=Wanted.of("device-1", ["DNS:device-1.example"]),
            hook=hook,
            schedule=schedule or Schedule(),
        )

    @property
    def requests(self) -> list[bytes]:
        return [base64.b64decode(b) for line, _, b in self.server.received if "POST" in line]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "root.pem").write_bytes(ROOT.certificate.public_bytes(serialization.Encoding.PEM))
    server = FaultyServer(
        leaf=certified("est", ROOT),
        chain=[],
        answers={"simpleenroll": ISSUE, "simplereenroll": ISSUE},
        issuer=ROOT,
    )
    with server.running(tmp_path) as port:
        yield Site(tmp_path, server, port)


def killed_at(step: int, work: Callable[[], object], directory: Path) -> bool:
    """Do it in a child that is killed before its ``step``-th change below ``directory``.

    False: it had fewer of them and ended well.
    """
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0
        return False
    changes = {"open", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir"}
    left = [step]

    def count(event: str, given: tuple[object, ...]) -> None:
        if event in changes and any(str(directory) in str(each) for each in given[:2]):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(count)
        work()
        code = 0
    finally:
        os._exit(code)


def current_fits(directory: Path) -> x509.Certificate | None:
    """The certificate in use, whose key is beside it and private; None without one."""
    current = directory / "current"
    if not current.is_symlink():
        return None
    certificate = x509.load_pem_x509_certificate((current / "cert.pem").read_bytes())
    key = serialization.load_pem_private_key((current / "key.pem").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    return certificate


def all_private(directory: Path) -> None:
    for path in directory.rglob("*"):
        if "key.pem" in path.name and path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each for each in directory.rglob("*.tmp") if not each.is_symlink()] == []


def test_killed_at_each_step_of_the_first_enrollment_it_finishes_later(site: Site):
    for step in range(NO_STEPS):
        directory = site.directory / f"identity-{step}"
        device = site.device()
        folder = IdentityFolder(directory=directory)
        device = Device(folder=folder, server=device.server, wanted=device.wanted)
        asked = len(site.requests)
        killed = killed_at(step, device.enroll, directory)
        before = current_fits(directory) if directory.exists() else None
        device.enroll()
        after = current_fits(directory)
        assert after is not None
        if before is not None:
            # What was in use stays: nothing is asked for twice.
            assert after == before
        requests = site.requests[asked:]
        # The key is made once it is kept: what was sent is sent again as it was.
        assert len(set(requests)) == 1
        assert x509.load_der_x509_csr(requests[0]).public_key() == after.public_key()
        all_private(directory)
        if not killed:
            break
    assert 15 < step < NO_STEPS - 1


def test_killed_at_each_step_of_a_renewal_it_keeps_a_pair_that_fits(site: Site):
    told = site.directory / "told"
    hook = ("sh", "-c", f'cp "$CERTCTL_EST_CERT" "{told}"')
    for step in range(NO_STEPS):
        directory = site.directory / f"identity-{step}"
        first = site.device()
        device = Device(
            folder=IdentityFolder(directory=directory),
            server=first.server,
            wanted=first.wanted,
            hook=hook,
        )
        device.enroll()
        old = current_fits(directory)
        assert old is not None
        killed = killed_at(step, partial(device.renew, now(), force=True), directory)
        # At any moment a service finds a pair that fits, the old one or the new one.
        assert current_fits(directory) is not None
        device.renew(now())
        after = current_fits(directory)
        assert after is not None
        # The hook has been told of the pair in use, whichever that is by now.
        assert x509.load_pem_x509_certificate(told.read_bytes()) == after
        assert not device.folder.hook_due
        all_private(directory)
        # Asked again, it ends with a new pair, whatever was left.
        device.renew(now(), force=True)
        newest = current_fits(directory)
        assert newest is not None
        assert newest not in (old, after)
        assert len([each for each in directory.iterdir() if each.name.isdecimal()]) <= 2
        if not killed:
            break
    assert 15 < step < NO_STEPS - 1


def test_a_new_pair_whose_hook_was_not_told_is_told_later(site: Site):
    told = site.directory / "told"
    script = f'test -e "{site.directory}/ready" && cat "$CERTCTL_EST_CERT" > "{told}"'
    device = site.device(hook=("sh", "-c", script))
    with pytest.raises(ClientFailure, match="hook ended with 1"):
        device.enroll()
    assert device.folder.hook_due
    (site.directory / "ready").touch()
    assert device.renew(now()) is Done.NOTHING
    assert not device.folder.hook_due
    assert x509.load_pem_x509_certificate(told.read_bytes()) == current_fits(
        device.folder.directory
    )


def test_a_hook_that_is_not_there(tmp_path: Path):
    with pytest.raises(ClientFailure, match="could not be run"):
        run_hook((str(tmp_path / "absent"),), tmp_path)


def test_it_renews_over_its_certificate_with_a_new_key_and_the_same_names(site: Site):
    device = site.device()
    assert device.enroll() is Done.ENROLLED
    assert device.enroll() is Done.NOTHING
    old = current_fits(device.folder.directory)
    assert old is not None
    assert device.renew(now()) is Done.NOTHING
    assert device.renew(now(), force=True) is Done.RENEWED
    (line, headers, _) = site.server.received[-1]
    assert line == "POST /.well-known/est-mtls/iot/simplereenroll"
    assert "authorization" not in headers
    new = current_fits(device.folder.directory)
    assert new is not None
    assert new.public_key() != old.public_key()
    csr = x509.load_der_x509_csr(site.requests[-1])
    assert csr.subject == old.subject


def test_an_expired_certificate_is_enrolled_anew_with_the_credentials(site: Site):
    device = site.device()
    device.enroll()
    assert device.renew(now() + dt.timedelta(days=31)) is Done.RENEWED
    line, headers, _ = site.server.received[-1]
    assert line == "POST /.well-known/est/iot/simpleenroll"
    assert "authorization" in headers


def test_pending_goes_on_with_the_same_request_until_it_is_granted(site: Site):
    wait = Said(202, b"wait", {"Retry-After": "7"})
    site.server.answers["simpleenroll"] = [wait, wait, ISSUE]
    device = site.device()
    for _ in range(2):
        with pytest.raises(StillPending) as pending:
            device.step(now())
        assert pending.value.retry_after == 7
    assert device.step(now()) is Done.ENROLLED
    assert len(set(site.requests)) == 1


def test_a_request_that_is_refused_is_made_anew(site: Site):
    site.server.answers["simpleenroll"] = [Said(400, b"no"), Said(401), Said(503), ISSUE]
    device = site.device()
    for _ in range(3):
        with pytest.raises(Refused):
            device.enroll()
    device.enroll()
    first, second, third, fourth = site.requests
    assert first != second
    # Wrong credentials and a server in trouble say nothing against the request.
    assert second == third == fourth


def test_a_certificate_for_another_key_is_never_used(site: Site):
    stranger = certified("stranger")

    site.server.answers["simpleenroll"] = cas(stranger)
    device = site.device()
    with pytest.raises(BadAnswer, match="another key"):
        device.enroll()
    assert current_fits(device.folder.directory) is None


def test_another_name_begins_anew(site: Site):
    site.server.answers["simpleenroll"] = [Said(503), ISSUE]
    device = site.device()
    with pytest.raises(Refused):
        device.enroll()
    other = Device(folder=device.folder, server=device.server, wanted=Wanted.of("device-2", ()))
    other.enroll()
    issued = current_fits(device.folder.directory)
    assert issued is not None
    assert issued.subject.rfc4514_string() == "CN=device-2"


def test_two_at_once_do_not_meet(site: Site):
    device = site.device()
    with (
        device.folder.locked(),
        pytest.raises(ClientFailure, match="Another process"),
    ):
        device.enroll()


def test_files_that_somebody_changed_are_not_used(site: Site):
    device = site.device()
    device.enroll()
    stranger = certified("stranger").certificate.public_bytes(serialization.Encoding.PEM)
    (device.folder.directory / "current" / "cert.pem").write_bytes(stranger)
    with pytest.raises(BadInput, match="do not fit"):
        device.renew(now())


def test_without_a_name_nothing_is_asked(site: Site):
    device = site.device()
    nameless = Device(folder=device.folder, server=device.server, kind=NewKey.P256)
    with pytest.raises(BadInput, match="Under which name"):
        nameless.enroll()
    assert site.requests == []


# --- when ----------------------------------------------------------------------------------


def test_it_is_due_within_its_window_and_at_the_same_moment_each_time():
    schedule = Schedule(renew_at=0.5, jitter=0.1)
    seen = set()
    for _ in range(20):
        certificate = certified("device", days=(0, 100)).certificate
        due = schedule.due(certificate)
        assert due == schedule.due(certificate)
        share = (due - certificate.not_valid_before_utc) / dt.timedelta(days=100)
        assert 0.4 <= share <= 0.5
        seen.add(share)
    assert len(seen) == 20


@given(
    failures=st.integers(1, 10_000),
    left=st.timedeltas(dt.timedelta(days=-400), dt.timedelta(days=4000)),
    drawn=st.floats(0, 1),
    asked=st.none() | st.integers(0, 10**9),
)
def test_a_retry_is_never_at_once_and_never_for_ever(
    failures: int, left: dt.timedelta, drawn: float, asked: int | None
):
    seconds = retry_after(failures, left=left, drawn=drawn, asked=asked)
    assert 15 <= seconds <= 6 * 3600
    if not asked and left > dt.timedelta(minutes=10):
        assert seconds <= left.total_seconds() / 20 or seconds == 15


def test_retries_grow():
    left = dt.timedelta(days=90)
    assert [retry_after(n, left=left, drawn=1.0) for n in (1, 2, 3, 30)] == [60, 120, 240, 21_600]
