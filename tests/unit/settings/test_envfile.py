"""The configuration file: refused lines first, then quotes, comments and continuation."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.settings.envfile import MAX_OCTETS, read_config_file
from certctl.settings.findings import Report


def read(tmp_path: Path, octets: bytes) -> tuple[dict[str, str], Report]:
    path = tmp_path / "server.env"
    path.write_bytes(octets)
    report = Report()
    written = read_config_file(path, report)
    return {name.removeprefix("CERTCTL_"): value.text for name, value in written.items()}, report


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"CERTCTL_A=1\nCERTCTL_PASSWORD hunter2hunter2\n", "line 2: no = in it"),
        (b"hunter2hunter2", "line 1: no = in it"),
        (b"PATH=/bin\n", "line 1: a name that does not begin with CERTCTL_"),
        (b"export CERTCTL_A=1\n", "line 1: a name that does not begin with CERTCTL_"),
        (b"certctl_a=1\n", "line 1: a name that does not begin with CERTCTL_"),
        (b"CERTCTL_A B=1\n", "line 1: a name that does not begin with CERTCTL_"),
        (b"=1\n", "line 1: a name that does not begin with CERTCTL_"),
        (b"\n\nCERTCTL_A='hunter2hunter2\nmore\n", "line 3: a quote is not closed"),
        (b'CERTCTL_A="hunter2hunter2', "line 1: a quote is not closed"),
        (b"CERTCTL_A=\xff\n", "is not UTF-8 text"),
        (b"CERTCTL_A=1\0\n", f"holds NUL or more than {MAX_OCTETS} octets"),
        (b"#" * (MAX_OCTETS + 1), f"holds NUL or more than {MAX_OCTETS} octets"),
    ],
)
def test_a_line_that_means_nothing_is_refused(tmp_path: Path, octets: bytes, problem: str) -> None:
    _, report = read(tmp_path, octets)
    assert [fault.problem for fault in report.faults] == [problem]
    assert report.faults[0].variable == str(tmp_path / "server.env")
    assert "hunter2" not in repr(report)


@pytest.mark.parametrize("name", ["missing.env", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    report = Report()
    assert not read_config_file(tmp_path / name, report)
    assert report.faults[0].problem.startswith("cannot be read: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CERTCTL_A=1", {"A": "1"}),
        ("  CERTCTL_A = 1 \t\nCERTCTL_B=\n", {"A": "1", "B": ""}),
        ("\ufeffCERTCTL_A=1\r\nCERTCTL_B=2\r\n", {"A": "1", "B": "2"}),
        ("# CERTCTL_A=1\n; CERTCTL_A=2\n\n  # x\nCERTCTL_B=2#3;4\n", {"B": "2#3;4"}),
        ("CERTCTL_A=a b  c\n", {"A": "a b  c"}),
        ("CERTCTL_A='  a b '\n", {"A": "  a b "}),
        ("CERTCTL_A='a\\b\"c'\n", {"A": 'a\\b"c'}),
        ('CERTCTL_A="  a\\"b\\\\c\\$d\\`e\\n "\n', {"A": '  a"b\\c$d`e\\n '}),
        ("CERTCTL_A=\"a\"'b' c\n", {"A": "abc"}),
        ('CERTCTL_A=it\'s a "b"\n', {"A": 'it\'s a "b"'}),
        ("CERTCTL_A='a\nb'\nCERTCTL_B=1\n", {"A": "a\nb", "B": "1"}),
        ("CERTCTL_A=a,\\\nb\nCERTCTL_B=1\n", {"A": "a,b", "B": "1"}),
        ('CERTCTL_A="a,\\\nb"\n', {"A": "a,b"}),
        ("CERTCTL_A=a\\ \nCERTCTL_B=\\#\\\\\n", {"A": "a ", "B": "#\\"}),
        ("CERTCTL_A=a\\", {"A": "a\\"}),
        ("CERTCTL_A=a=b\n", {"A": "a=b"}),
        ("", {}),
    ],
)
def test_values_are_read_as_systemd_reads_them(
    tmp_path: Path, text: str, expected: dict[str, str]
) -> None:
    found, report = read(tmp_path, text.encode())
    assert found == expected
    assert not report.faults


def test_of_two_assignments_the_last_wins_with_a_warning(tmp_path: Path) -> None:
    found, report = read(tmp_path, b"CERTCTL_A=1\nCERTCTL_B='x\ny'\nCERTCTL_A=2\n")
    assert found["A"] == "2"
    assert "line 4 wins" in report.warnings[0].problem
