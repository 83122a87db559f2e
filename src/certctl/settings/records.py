"""Settings of what becomes of records in time (config §3)."""

from __future__ import annotations

from dataclasses import replace

from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.domain.clock import SECOND_US
from certctl.domain.retention import Retention
from certctl.settings.catalogue import issuing as names
from certctl.settings.given import Given
from certctl.settings.schema import EstSettings, RecordsSettings


def records_settings(given: Given, est: EstSettings) -> RecordsSettings:
    """Retention and copy; ``est`` says how long an expired certificate may be needed."""
    audit_s = given.value(names.AUDIT_RETENTION)
    records_s = given.value(names.RECORD_RETENTION)
    grace_us = max((each.profile.reenroll_grace_us for each in est.profiles), default=0)
    if records_s is not None and records_s * SECOND_US < grace_us:
        given.warn(
            names.RECORD_RETENTION,
            "",
            "is shorter than a REENROLL_GRACE; records are kept as long as that",
            "make it as long as the longest REENROLL_GRACE",
        )
    return RecordsSettings(
        copy=_copy(given),
        retention=Retention(
            audit_us=None if audit_s is None else audit_s * SECOND_US,
            records_us=None if records_s is None else max(records_s * SECOND_US, grace_us),
        ),
    )


def _copy(given: Given) -> CopyTarget | None:
    target = given.value(names.AUDIT_COPY_TO)
    if target is None or target.kind is not CopyKind.FILE:
        return target
    return replace(target, path=str(given.directory / target.path))
