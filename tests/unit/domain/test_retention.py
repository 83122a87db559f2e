"""Which certificates may be dropped from the records: never one that a CRL may list."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.certificates import CertificateStatus
from certctl.domain.crl import RECENT_US, is_listed
from certctl.domain.retention import may_go

TIMES = st.integers(0, 20 * RECENT_US)


class Ended(NamedTuple):
    status: CertificateStatus
    not_after_us: int
    revoked_us: int | None


@given(
    not_after_us=TIMES,
    revoked_us=TIMES,
    before_us=TIMES,
    ages_us=st.lists(st.integers(1, 4 * RECENT_US), max_size=8),
)
def test_a_revoked_one_goes_only_after_a_scheduled_crl_past_its_end(
    not_after_us: int, revoked_us: int, before_us: int, ages_us: list[int]
):
    """Scheduled CRLs one after the other; each lists by when the one before it was made."""
    certificate = Ended(CertificateStatus.REVOKED, not_after_us, revoked_us)
    made_us = listed_us = 0
    stood_after_its_end = False
    for age_us in ages_us:
        listed_us, made_us = made_us, made_us + age_us
        listed = revoked_us < made_us and is_listed(not_after_us, revoked_us, listed_us)
        gone = may_go(certificate, before_us=before_us, listed_us=listed_us)
        if gone:
            assert not_after_us < made_us, "it has expired"
            assert stood_after_its_end
            assert not listed, "no CRL loses an entry by it"
        stood_after_its_end |= listed and made_us > not_after_us


@given(not_after_us=TIMES, revoked_us=st.none() | TIMES, before_us=TIMES)
def test_without_a_crl_a_revoked_one_never_goes(
    not_after_us: int, revoked_us: int | None, before_us: int
):
    certificate = Ended(CertificateStatus.REVOKED, not_after_us, revoked_us)
    assert not may_go(certificate, before_us=before_us, listed_us=None)


@given(not_after_us=TIMES, before_us=TIMES, listed_us=st.none() | TIMES)
def test_one_that_was_not_revoked_goes_by_its_end_alone(
    not_after_us: int, before_us: int, listed_us: int | None
):
    certificate = Ended(CertificateStatus.VALID, not_after_us, None)
    gone = may_go(certificate, before_us=before_us, listed_us=listed_us)
    assert gone is (not_after_us < before_us)


@given(before_us=TIMES, listed_us=TIMES)
def test_one_without_a_time_of_revocation_stays(before_us: int, listed_us: int):
    certificate = Ended(CertificateStatus.REVOKED, 0, None)
    assert not may_go(certificate, before_us=before_us, listed_us=listed_us)
