"""The result as a Markdown table for people and as JSON for machines."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import results
from bench.results import LoadRow, Outcome

COLUMNS = (
    "row",
    "rate/s",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "max ms",
    "CPU µs",
    "C rate/s",
    "C CPU µs",
    "CPU ÷ C",
    "client cores",
    "bad",
)
NOTE = (
    "Medians of the rounds. *CPU µs*: user and system time of all server processes per good "
    "answer. *C*: the bare C server, alternating in the same run. *client cores*: CPU of the "
    "load generator beside our server. *bad*: broken connections and unexpected statuses."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    at: dt.datetime
    command: str
    machine: dict[str, str]
    outcomes: dict[str, Outcome]
    profiled: bool
    """A profiler stopped the server again and again: rates are no figures."""
    failures: dict[str, str]
    """Rows that could not be measured, and why."""

    def markdown(self) -> str:
        loads = [row for outcome in self.outcomes.values() for row in outcome.loads]
        facts = [fact for outcome in self.outcomes.values() for fact in outcome.facts]
        goals = [goal for outcome in self.outcomes.values() for goal in outcome.goals]
        parts = [f"`{self.command}`, {self.at:%Y-%m-%d %H:%M} UTC", _table(self.machine.items())]
        if self.profiled:
            parts.append("**Profiled: only the flame graphs mean something, the rates do not.**")
        if loads:
            parts += [_table([_cells(row) for row in loads], COLUMNS), NOTE]
        if facts:
            parts.append(_table([(fact.name, fact.value) for fact in facts], ("what", "value")))
        if goals:
            rows = [(g.name, g.wanted, g.measured, "yes" if g.met else "**no**") for g in goals]
            parts.append(_table(rows, ("goal", "wanted", "measured", "met")))
        remarks = [f"- {row.name}: {text}" for row in loads for text in _remarks(row)]
        remarks += [f"- **not measured**: {name}: {why}" for name, why in self.failures.items()]
        if remarks:
            parts.append("\n".join(remarks))
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Both forms, named after the time; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{self.at:%Y%m%d-%H%M%S}"
        table, data = stem.with_suffix(".md"), stem.with_suffix(".json")
        table.write_text(self.markdown())
        document = asdict(self) | {"at": self.at.isoformat()}
        data.write_text(json.dumps(document, indent=1) + "\n")
        return table, data


def _cells(row: LoadRow) -> list[str]:
    ours, bare = row.ours, row.bare
    return [
        row.name,
        f"{results.rate(ours):,.0f}",
        f"{results.p50(ours):.1f}",
        f"{results.median(ours, lambda run: run.p90_ms):.1f}",
        f"{results.p99(ours):.1f}",
        f"{max(run.max_ms for run in ours):.0f}",
        f"{results.cpu(ours):.0f}",
        f"{results.rate(bare):,.0f}" if bare else "",
        f"{results.cpu(bare):.0f}" if bare else "",
        f"{row.ratio():.2f}" if bare else "",
        f"{results.median(ours, lambda run: run.client_cores):.2f}",
        str(sum(run.bad for run in ours)),
    ]


def _remarks(row: LoadRow) -> list[str]:
    texts = {run.remark for run in row.ours if run.bad}
    texts |= {f"bare C server: {run.remark}" for run in row.bare if run.bad}
    if any(run.exhausted for run in row.ours):
        texts.add("the pool of requests ended before the time; the window was shorter")
    return sorted(texts)


def _table(rows: Iterable[Sequence[str]], head: Sequence[str] = ("machine", "")) -> str:
    """A Markdown table whose columns also line up in a terminal."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)
