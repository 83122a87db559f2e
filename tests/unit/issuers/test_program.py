"""An operator's program, run: what it is given, how it ends, and what is left of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from certctl.issuers.program import MAX_COMPLAINT, MAX_OUTPUT, NotRun, Overstayed, Ran, run_program


def program(directory: Path, shell: str) -> Path:
    path = directory / "program"
    path.write_text(f"#!/bin/sh\n{shell}\n")
    path.chmod(0o755)
    return path


def run(directory: Path, shell: str, given: bytes = b"in", seconds: float = 20.0) -> Ran:
    return run_program(program(directory, shell), given, seconds=seconds)


def test_words_and_exit_code_are_as_they_came(tmp_path: Path) -> None:
    assert run(tmp_path, "cat; echo no >&2; exit 3") == Ran(code=3, output=b"in", complaint=b"no\n")


def test_nothing_of_the_servers_environment_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTCTL_EST_PROFILE_DEMO_ENROLLMENT_PASSWORD", "planted")
    ran = run(tmp_path, "env; pwd; umask; ls /proc/self/fd")
    lines = ran.output.decode().split()
    assert set(lines[:-6]) == {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "PWD=/"}
    # ls itself has its folder open as the fourth.
    assert lines[-6:] == ["/", "0077", "0", "1", "2", "3"]


def test_more_input_than_a_pipe_holds_is_read_while_output_comes(tmp_path: Path) -> None:
    given = os.urandom(MAX_OUTPUT // 2)
    assert run(tmp_path, "exec cat", given).output == given


def test_one_that_reads_nothing_and_one_that_leaves_somebody_behind_end_well(
    tmp_path: Path,
) -> None:
    ran = run(tmp_path, "sleep 55 & echo done; exit 4", os.urandom(1 << 20))
    assert (ran.code, ran.output) == (4, b"done\n")


def test_its_exit_code_counts_though_it_closed_its_output_long_before(tmp_path: Path) -> None:
    assert run(tmp_path, "exec >&- 2>&-; sleep 0.2; exit 9").code == 9


def test_killed_by_a_signal_is_no_exit_code_of_its_own(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -9 $$").code not in range(126)


@pytest.mark.parametrize(
    ("shell", "what"),
    [("sleep 56", "time"), ("trap '' TERM; sleep 57 & wait", "time"), ("yes", "output")],
)
def test_what_overstays_is_killed_with_all_it_started(
    tmp_path: Path, shell: str, what: str
) -> None:
    with pytest.raises(Overstayed) as caught:
        run(tmp_path, f"cut -d' ' -f6 /proc/$$/stat > {tmp_path}/session; {shell}", seconds=0.5)
    assert caught.value.what == what
    session = (tmp_path / "session").read_text().strip()
    # Killed they are; the kernel may take a moment to end those that are not our children.
    deadline = time.monotonic() + 10
    while session in _sessions():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_long_complaint_is_cut(tmp_path: Path) -> None:
    assert len(run(tmp_path, "yes no | head -c 100000 >&2").complaint) == MAX_COMPLAINT


def test_what_cannot_be_run_is_told_apart(tmp_path: Path) -> None:
    path = program(tmp_path, "exit 0")
    path.chmod(0o644)
    for missing in (path if os.geteuid() else tmp_path / "absent", tmp_path / "absent"):
        with pytest.raises(NotRun):
            run_program(missing, b"", seconds=1.0)


def _sessions() -> set[str]:
    """Sessions in which something still runs."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = each.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found.add(session)
    return found
