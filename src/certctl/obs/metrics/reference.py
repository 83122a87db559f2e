"""The page of all metrics, made from the code: ``python -m certctl.obs.metrics.reference``.

``docs/reference/metrics.md`` is its output; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from certctl.obs.metrics.families import (
    COUNTED,
    FROM_FILES,
    FROM_RECORDS,
    OF_THE_NODE,
    Family,
    Kind,
)

HEAD: Final = """\
# Metrics

Generated from the code by `python -m certctl.obs.metrics.reference`; do not edit.

What `/metrics` shows ([how to monitor](../how-to/monitor.md)). Times are in seconds, moments
in seconds since 1970: days left are `(x - time()) / 86400`, an age is `time() - x`. Label
values come from the settings or from closed sets: a profile that is not in the settings of
this node any more is `(other)`, the one at the root without a name `(legacy root)`. No value
is a secret or comes from a peer. An issuer that is made over the API has its series from then
on; those beyond 64 since the start of the server share the issuer `(other)`.

What processes count is of this node, over all its workers, from the start of the server: a
process that is restarted counts on where the one before it stopped. To see the whole
installation, sum over the nodes. What is read from the records is the same at every node:
take the greatest, do not sum.
"""

PLACES: Final = (
    *((f"Counted by {who}", families) for who, families in COUNTED.items()),
    ("Read from the records", FROM_RECORDS),
    ("Read from files", FROM_FILES),
    ("Of the node that answers", OF_THE_NODE),
)


def reference() -> str:
    """The whole page (Markdown)."""
    return "\n".join((HEAD, *("\n".join(_section(*place)) for place in PLACES)))


def _section(title: str, families: Iterable[Family]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| metric | kind | labels | tells |"
    yield "|---|---|---|---|"
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"| `{family.name}` | {family.kind.value} | {labels} | {_told(family)} |"
    yield ""


def _told(family: Family) -> str:
    if family.kind is not Kind.HISTOGRAM:
        return family.help
    bounds = ", ".join(f"{bound / family.scale:g}" for bound in family.bounds)
    return f"{family.help} Buckets: {bounds}."


if __name__ == "__main__":
    sys.stdout.write(reference())
