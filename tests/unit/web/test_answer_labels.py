"""Outcome and reason of answers in metrics: closed, telling, and none is the stand-in."""

from __future__ import annotations

import re

from certctl.domain.errors import CrlRefused
from certctl.obs.metrics.numbers import OTHER
from certctl.web.answer_labels import OK, answer_labels, every_answer
from certctl.web.refusal_samples import samples


def test_every_refusal_has_a_label_of_its_own_kind() -> None:
    known = set(every_answer())
    assert len(known) == len(every_answer())
    assert {OK, ("refused", OTHER)} <= known
    for failure in samples():
        outcome, reason = answer_labels(failure)
        assert (outcome, reason) in known
        assert outcome in {"refused", "waiting", "challenged"}
        assert re.fullmatch(r"[a-z0-9_]+", reason)


def test_reasons_of_one_name_are_told_apart() -> None:
    reasons = {reason for _, reason in every_answer()}
    assert {"certificate_missing", "binding_missing", "missing"} <= reasons


def test_what_no_device_meets_is_not_foreseen() -> None:
    assert answer_labels(CrlRefused("dates")) not in every_answer()
