"""What requests and answers of the API share: moments, texts, lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from certctl.domain.search import Page

T = TypeVar("T")
Row = TypeVar("Row")

MOST_PER_PAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

ID = r"^[0-9a-f]{32}$"
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"

RecordId = Annotated[str, Path(pattern=ID, description="32 hexadecimal characters.")]
ShortText = Annotated[str, StringConstraints(max_length=500, pattern=_NO_CONTROLS)]


def _written(given: object) -> object:
    """Only what RFC 3339 calls a moment: pydantic would take numbers as well."""
    if isinstance(given, str) and _MOMENT.fullmatch(given) is None:
        raise ValueError("is not a moment after RFC 3339")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]


class Strict(BaseModel):
    """A request's body or query: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Listing(BaseModel, Generic[T]):
    """A page of a list."""

    data: list[T]
    total: int | None = Field(
        description="Counted up to 100,000; null: only a walk over all rows could tell."
    )
    next_cursor: str | None = Field(description="Ask with it for the next page; null: the last.")


class PageQuery(Strict):
    """Which page: by the cursor of the one before, or by number."""

    cursor: str | None = Field(default=None, pattern=ID)
    page: int | None = Field(
        default=None, ge=1, le=1_000, description="From 1; does not count beside cursor."
    )
    per_page: int = Field(default=50, ge=1, le=MOST_PER_PAGE)

    def wanted(self) -> Page:
        """One row more than asked for, which tells whether there is a next page."""
        if self.cursor is not None or self.page is None:
            return Page(after=self.cursor, limit=self.per_page + 1)
        return Page(skip=(self.page - 1) * self.per_page, limit=self.per_page + 1)

    def listing(
        self,
        rows: Sequence[Row],
        total: int | None,
        *,
        show: Callable[[Row], T],
        cursor: Callable[[Row], str],
        rest: str | None = None,
    ) -> Listing[T]:
        """The page of what ``wanted`` has found; ``rest``: where a list goes on that was not
        looked through to its end.
        """
        shown = rows[: self.per_page]
        more = len(rows) > self.per_page
        return Listing(
            data=[show(row) for row in shown],
            total=total,
            next_cursor=cursor(shown[-1]) if more else rest,
        )


def moment(time_us: int) -> datetime:
    """Microseconds since the epoch as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def moment_or_none(time_us: int | None) -> datetime | None:
    return None if time_us is None else moment(time_us)


def microseconds(given: datetime) -> int:
    """A moment as microseconds since the epoch."""
    return (given - _EPOCH) // timedelta(microseconds=1)
