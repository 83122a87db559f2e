"""When two certificates are of one identity: names, and the SAN that repeats the CN."""

from __future__ import annotations

import pytest

from certctl.wire.der import SEQUENCE, encode
from certctl.wire.identity import same_identity
from tests.unit.wire import forge

PUMP = forge.name((forge.CN, "pump.example"))
OTHER = forge.name((forge.CN, "other.example"))


def sans(*names: str) -> bytes:
    return encode(SEQUENCE, *map(forge.dns, names)) if names else b""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((PUMP, sans()), (PUMP, sans()), True),
        ((PUMP, sans("a.example", "b.example")), (PUMP, sans("b.example", "a.example")), True),
        ((PUMP, sans("pump.example")), (PUMP, sans()), True),
        ((PUMP, sans("a.example", "pump.example")), (PUMP, sans("a.example")), True),
        ((PUMP, sans("a.example")), (PUMP, sans()), False),
        ((PUMP, sans("other.example")), (PUMP, sans()), False),
        ((PUMP, sans("pump.example", "a.example")), (PUMP, sans()), False),
        ((OTHER, sans()), (PUMP, sans()), False),
        ((OTHER, sans("pump.example")), (PUMP, sans("pump.example")), False),
        ((forge.name((forge.CN, "pump 7")), sans()), (PUMP, sans()), False),
    ],
)
def test_of_one_identity(one, other, same):
    assert same_identity(*one, *other) is same
    assert same_identity(*other, *one) is same
