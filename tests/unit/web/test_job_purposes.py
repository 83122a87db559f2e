"""Every job says on the page what it is for."""

from __future__ import annotations

from certctl.authority import (
    deliveries,
    figures,
    notices,
    purge,
    reconcile,
    retention,
    seal,
    telling,
)
from certctl.authority.crl import job_name
from certctl.web.ui.job_purposes import PURPOSES, purpose

JOBS = {
    figures.ACTIVITY_JOB,
    figures.AUDIT_JOB,
    figures.INVENTORY_JOB,
    *(each.JOB for each in (deliveries, notices, purge, reconcile, retention, seal, telling)),
}


def test_every_job_has_a_purpose_and_every_purpose_a_job() -> None:
    assert set(PURPOSES) == JOBS


def test_lists_of_an_issuer_have_one() -> None:
    assert "revoked" in purpose(job_name("iss-local"))


def test_a_job_of_another_version_has_none() -> None:
    assert purpose("sweep") == ""
