"""Whom a profile trusts, asked again and again: nothing is read twice, and nothing is missed."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.obs.log import Level, make_log
from certctl.settings.env import load_settings
from certctl.settings.schema import Settings
from certctl.trust.accepted import AcceptedBundles, accepted_file
from certctl.trust.readings import STILL_US
from certctl.wiring.reload import trust_directory
from certctl.wiring.trust_report import TrustInForce
from tests.harness.pki import ForeignCA

DAYS = 40
_opened: list[str] = []
_watched = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The files that are opened meanwhile."""
    global _watched  # noqa: PLW0603 - the interpreter's hook stays for good
    _opened.clear()
    _watched = True
    try:
        yield _opened
    finally:
        _watched = False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return ForeignCA("factory", days=(-1, DAYS)).bundle(tmp_path / "corp.pem")


@pytest.fixture
def settings(tmp_path: Path, file: Path) -> Settings:
    return load_settings(
        {
            "CERTCTL_DATA_DIR": str(tmp_path / "data"),
            "CERTCTL_EST_ENABLED": "true",
            "CERTCTL_EST_PROFILES": "corp",
            "CERTCTL_EST_PROFILE_CORP_ISSUER_ID": "iss-local",
            "CERTCTL_EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls",
            "CERTCTL_EST_PROFILE_CORP_MTLS_ENABLED": "true",
            "CERTCTL_EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(file),
        },
        None,
    )


@pytest.fixture
def accepted(settings: Settings, file: Path) -> AcceptedBundles:
    """The authority's side, by which the file is in force."""
    bundles = AcceptedBundles(
        trust_directory(settings.server),
        {"corp": file},
        log=make_log("t", level=Level.INFO, text=False, clock=now, stream=io.StringIO()),
        on_published=lambda: None,
    )
    bundles.open(now())
    return bundles


def now() -> int:
    return time.time_ns() // 1_000


def later() -> int:
    """When all that was written until now has lain still."""
    return now() + STILL_US + SECOND_US


@pytest.mark.usefixtures("accepted")
def test_asked_again_no_file_is_opened(settings: Settings):
    trust = TrustInForce(settings)
    with opened() as files:
        first = trust("corp", later())
    assert len(files) >= 3
    with opened() as files:
        again = trust("corp", later())
    assert files == []
    assert again == first
    assert [each.subject for each in again.anchors] == ["CN=factory"]
    assert again.notes == ()


@pytest.mark.usefixtures("accepted")
def test_an_anchor_expires_by_the_clock_though_no_file_has_changed(settings: Settings):
    trust = TrustInForce(settings)
    (anchor,) = trust("corp", later()).anchors
    assert (anchor.days_left, anchor.expired) == (DAYS - 1, False)
    end_us = anchor.not_after_us
    told = [trust("corp", at_us).anchors[0] for at_us in (end_us - DAY_US, end_us, end_us + 1)]
    assert [(each.days_left, each.expired) for each in told] == [(1, False), (0, False), (0, True)]


@pytest.mark.usefixtures("accepted")
def test_what_becomes_of_the_file_is_told_at_once(settings: Settings, file: Path):
    trust = TrustInForce(settings)
    good = file.read_bytes()
    assert trust("corp", later()).notes == ()
    file.write_bytes(good + b"\n")
    (note,) = trust("corp", later()).notes
    assert "has changed since and is not in force" in note
    file.unlink()
    assert trust("corp", later()).notes == ("the file cannot be read now",)
    file.mkdir()
    assert trust("corp", later()).notes == ("the file cannot be read now",)
    file.rmdir()
    file.write_bytes(good)
    assert trust("corp", later()).notes == ()


def test_what_is_taken_over_is_told_at_once_and_why_it_was_not(
    settings: Settings, file: Path, accepted: AcceptedBundles
):
    trust = TrustInForce(settings)
    trust("corp", later())
    ForeignCA("second").bundle(file)
    accepted.publish(accepted.examine("corp", now()))
    report = trust("corp", later())
    assert ([each.subject for each in report.anchors], report.notes) == (["CN=second"], ())
    assert report.accepted_us is not None
    assert accepted.examine("corp", report.accepted_us + 7).changed is False
    assert trust("corp", later()).accepted_us == report.accepted_us + 7


def test_anchors_in_force_that_cannot_be_read_are_told_at_once(
    settings: Settings, accepted: AcceptedBundles
):
    del accepted
    trust = TrustInForce(settings)
    trust("corp", later())
    accepted_file(trust_directory(settings.server), "corp").unlink()
    report = trust("corp", later())
    assert report.anchors == ()
    assert "cannot be read" in report.notes[0]
