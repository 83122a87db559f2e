"""``replace`` for both kinds of values: dataclasses, and structs of the hot path (adr/0005)."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from msgspec import Struct, structs

Value = TypeVar("Value")


def replace(value: Value, **changes: Any) -> Value:
    """The same with other fields."""
    if isinstance(value, Struct):
        return structs.replace(value, **changes)
    changed: Value = dataclasses.replace(value, **changes)  # type: ignore[type-var]
    return changed
