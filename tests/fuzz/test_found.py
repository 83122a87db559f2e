"""Every input that once broke a law keeps it now."""

from __future__ import annotations

import pytest

from tests.fuzz.blind import try_one
from tests.fuzz.targets import FOUND, TARGETS

CASES = sorted(str(path.relative_to(FOUND)) for path in FOUND.glob("*/*"))


@pytest.mark.parametrize("case", CASES)
def test_a_found_input_stays_harmless(case):
    target = TARGETS[case.partition("/")[0]]
    finding = try_one(target, (FOUND / case).read_bytes())
    assert finding is None, finding.problem
