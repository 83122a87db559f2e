"""The scheduling class of the children (adr/0015)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = """
import os, sys
from certctl.wiring.process import share_cores
os.sched_setscheduler(0, int(sys.argv[1]), os.sched_param(0))
share_cores()
print(os.sched_getscheduler(0))
"""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(os.SCHED_OTHER, os.SCHED_BATCH), (os.SCHED_IDLE, os.SCHED_IDLE)],
    ids=["normal", "the operator's own"],
)
def test_a_class_that_the_operator_chose_is_kept(given: int, wanted: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(given)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == wanted
