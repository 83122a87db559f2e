"""The reference page and the terminal text say what the code knows."""

from __future__ import annotations

from pathlib import Path

from certctl.settings import Finding, render_findings
from certctl.settings.catalogue import (
    ISSUER_VARIABLES,
    PROFILE_VARIABLES,
    SINGLE_VARIABLES,
    WEBHOOK_VARIABLES,
)
from certctl.settings.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_in_docs_is_the_generated_one() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    assert kept == reference(), f"run: python -m certctl.settings.reference > {PAGE.name}"


def test_every_variable_is_on_the_page_in_a_whole_row() -> None:
    rows = {line.split("`")[1]: line for line in reference().splitlines() if line.startswith("| `")}
    variables = (
        *SINGLE_VARIABLES,
        *PROFILE_VARIABLES,
        *ISSUER_VARIABLES,
        *WEBHOOK_VARIABLES,
    )
    assert set(rows) == {variable.name for variable in variables}
    assert all(row.count("|") == 5 for row in rows.values())
    assert "*secret*" in rows["ENROLLMENT_PASSWORD"]
    assert "*later*" in rows["CORS_ORIGINS"]


def test_findings_are_blocks_of_plain_text() -> None:
    long = "a very long explanation " * 6
    text = render_findings(
        [
            Finding(variable="CERTCTL_A", problem="wrong", remedy="mend", came='"x"', allowed="y"),
            Finding(variable="CERTCTL_B", problem=long, remedy="mend"),
        ]
    )
    assert text.startswith(
        "refused: CERTCTL_A\n"
        "  problem: wrong\n"
        '  came:    "x"\n'
        "  allowed: y\n"
        "  remedy:  mend\n"
        "\n"
        "refused: CERTCTL_B\n"
        "  problem: a very long"
    )
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("  remedy:  mend\n")
    assert render_findings([]) == ""
