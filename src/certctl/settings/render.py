"""Findings as plain text for terminals: one block per fault, no colours, nothing cut.

What it prints was made safe where the finding was made (``findings.shown``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from certctl.settings.findings import Finding

WIDTH = 100


def render_findings(findings: Iterable[Finding]) -> str:
    """One block per finding, an empty line between them, a final line end."""
    return "\n".join(map(_block, findings))


def _block(finding: Finding) -> str:
    lines = [f"{finding.severity}: {finding.variable}"]
    for label, text in (
        ("problem", finding.problem),
        ("came", finding.came),
        ("allowed", finding.allowed),
        ("remedy", finding.remedy),
    ):
        if text:
            head = f"  {label + ':':<9}"
            lines += textwrap.wrap(
                text,
                width=WIDTH,
                initial_indent=head,
                subsequent_indent=" " * len(head),
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines) + "\n"
