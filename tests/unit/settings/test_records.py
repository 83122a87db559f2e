"""Retention and copy of records."""

from __future__ import annotations

import pytest

from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.domain.clock import DAY_US
from certctl.domain.retention import Retention
from tests.unit.settings.rig import Load, Refuse, profile


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("off", None),
        ("file:/var/log/audit", CopyTarget(kind=CopyKind.FILE, path="/var/log/audit")),
        ("syslog:/dev/log", CopyTarget(kind=CopyKind.UNIX, path="/dev/log")),
        ("syslog:Log:514", CopyTarget(kind=CopyKind.UDP, host="log", port=514)),
        ("syslog:udp://10.0.0.1:1", CopyTarget(kind=CopyKind.UDP, host="10.0.0.1", port=1)),
        ("syslog:tcp://[::1]:601", CopyTarget(kind=CopyKind.TCP, host="::1", port=601)),
    ],
)
def test_where_the_copy_goes(load: Load, text: str, target: CopyTarget | None) -> None:
    assert load({"AUDIT_COPY": text}).records.copy == target


def test_a_file_is_looked_for_from_where_the_server_starts(load: Load) -> None:
    copy = load({"AUDIT_COPY": "file:copy"}).records.copy
    assert copy is not None
    assert copy.path.startswith("/")
    assert copy.path.endswith("/copy")


def test_everything_is_kept_unless_told_otherwise(load: Load) -> None:
    assert load({}).records.retention == Retention()
    kept = load({"AUDIT_RETENTION": "365d", "RECORD_RETENTION": "30d"}).records.retention
    assert kept == Retention(audit_us=365 * DAY_US, records_us=30 * DAY_US)


def test_less_than_a_day_is_a_slip(refuse: Refuse) -> None:
    assert refuse({"AUDIT_RETENTION": "1h"})[0].variable == "CERTCTL_AUDIT_RETENTION"


def test_what_still_renews_is_kept(load: Load) -> None:
    settings = load(
        {"RECORD_RETENTION": "1d"}
        | profile(MTLS_OWN_ONLY="true", ALLOWED_AUTH_MODES="mtls", REENROLL_GRACE="7d")
    )
    assert settings.records.retention.records_us == 7 * DAY_US
    assert "CERTCTL_RECORD_RETENTION" in {each.variable for each in settings.warnings}
