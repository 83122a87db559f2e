"""The line of a job that failed: which job, of whom, what was wrong, how to mend it."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest

from certctl.domain.errors import CrlRefused, LeaseLost, StoreUnavailable
from certctl.obs.log import Level, make_log
from certctl.wiring.job_log import tell_failed


def line_of(job: str, fault: BaseException) -> dict[str, Any]:
    stream = io.StringIO()
    log = make_log("jobs", level=Level.INFO, text=False, clock=lambda: 0, stream=stream)
    tell_failed(log, job, fault, holder="ward-7/12/9")
    told: dict[str, Any] = json.loads(stream.getvalue())
    return told


def test_a_refused_crl_names_issuer_process_what_was_wanted_and_the_remedy():
    told = line_of("crl-iss-local", CrlRefused("number", wanted="at least 8", got="5"))
    assert (told["event"], told["job"], told["issuer"], told["holder"]) == (
        "job_failed",
        "crl-iss-local",
        "iss-local",
        "ward-7/12/9",
    )
    assert told["problem"].endswith("(wanted at least 8, got 5)")
    assert told["remedy"].startswith("the next run makes it anew")
    assert "exception" not in told


def test_other_jobs_name_no_issuer_and_what_is_expected_has_no_trace():
    for fault in (LeaseLost("purge"), StoreUnavailable("authority"), OSError(28, "full")):
        told = line_of("purge", fault)
        assert "issuer" not in told
        assert "exception" not in told


def test_a_fault_of_ours_comes_with_its_trace():
    with pytest.raises(KeyError) as raised:
        os.environ["NO_SUCH_VARIABLE"]
    told = line_of("purge", raised.value)
    assert told["problem"] == "'NO_SUCH_VARIABLE' (KeyError)"
    assert "test_job_log" in told["exception"]
