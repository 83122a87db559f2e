"""``certctl-cli est bulk-revoke`` at a terminal: what is seen while the server is at work.

The authority is stopped meanwhile, so that there is something to wait for.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certctl.domain.clock import SECOND_US
from certctl.domain.ids import sortable_id
from certctl.store import open_writable
from tests.contract.samples import DAY, certificate
from tests.harness.api import ApiClient, first_key
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, clean_environment, configured_server
from tests.harness.shell import CLI, Shell, shell_for
from tests.harness.terminal import READY, Terminal

COUNT = 1_200
KINDS = ("seen", "left", "quiet", "piped", "refused")
WAIT_SECONDS = 60.0
WAITS = re.compile(r"The server revokes 1,200 certificates, \d+ s \(Ctrl-C: it goes on alone\)")


@dataclass(frozen=True)
class Site:
    server: RunningServer
    root: ApiClient

    @contextlib.contextmanager
    def authority_stopped(self) -> Iterator[None]:
        (pid,) = self.server.processes()["authority"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def left(self, kind: str) -> int:
        told = self.root.post("/est/certificates/bulk-revoke", {"principal": kind, "dry_run": True})
        return int(told["total_matched"]) - int(told["total_skipped"])

    def terminal(self, directory: Path) -> Terminal:
        mine = {
            "HOME": str(directory),
            "PATH": f"{Path(CLI).parent}:{os.environ['PATH']}",
            "CERTCTL_SERVER_URL": self.server.url,
            "CERTCTL_SERVER_CA_BUNDLE_PATH": str(self.server.ca_file),
            "CERTCTL_API_KEY": self.root.key or "",
        }
        return Terminal(directory, clean_environment(mine))

    def shell(self, directory: Path) -> Shell:
        return shell_for(self.server, directory, CERTCTL_API_KEY=self.root.key or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"EST_ENABLED": "false", "RATE_LIMIT_ENABLED": "false", "WORKERS": "1"}
    server = configured_server(tmp_path_factory.mktemp("bulk-cli"), settings)
    _fill(server)
    with server:
        yield Site(server, ApiClient(server, first_key(server)))


def _fill(server: RunningServer) -> None:
    server.database.parent.mkdir(mode=0o700)
    store = open_writable(f"sqlite:///{server.database}", node="node-a")
    issued_us = time.time_ns() // 1_000 - 3_600 * SECOND_US
    for number, kind in enumerate(KINDS):
        rows = [
            replace(
                certificate(n, principal=kind),
                id=sortable_id(issued_us + n, os.urandom),
                issued_us=issued_us + n,
                not_after_us=issued_us + DAY,
            )
            for n in range(number * COUNT + 1, (number + 1) * COUNT + 1)
        ]
        with store.transaction() as transaction:
            transaction.record_certificates(rows)
    store.close()


def command(kind: str, *more: str) -> str:
    return " ".join(("certctl-cli est bulk-revoke --principal", kind, "--reason superseded", *more))


def test_a_line_counts_the_seconds_and_goes_with_the_end(site: Site, tmp_path: Path):
    with site.terminal(tmp_path) as terminal:
        with site.authority_stopped():
            terminal.send(command("seen", "--output json"))
            terminal.until(re.compile(r"1,200 certificates will be revoked\. Type their number"))
            terminal.send("1,200")
            terminal.until(WAITS)
        shown = terminal.until(READY)
    assert "@@ready 0@@" in shown
    assert '"total_revoked": 1200' in shown
    # The cursor is back at the beginning of an empty line before the result.
    assert re.search(r"\r\{\n", shown), shown
    assert site.left("seen") == 0


def test_ctrl_c_leaves_the_server_at_work_and_says_so(site: Site, tmp_path: Path):
    with site.terminal(tmp_path) as terminal:
        with site.authority_stopped():
            terminal.send(command("left", "--yes"))
            terminal.until(WAITS)
            terminal.interrupt()
            shown = terminal.shown
        assert "@@ready 130@@" in shown
        assert "waits no longer; the server goes on to its end (1,200 certificates)." in shown
        assert "The same command with --dry-run counts what is left" in shown
        deadline = time.monotonic() + WAIT_SECONDS
        while site.left("left"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Given again, it finds nothing to do, and asks nothing.
        shown, code = terminal.type(command("left"))
    assert code == 0
    assert "0 certificates would be revoked; nothing was changed." in shown


def test_ctrl_c_at_the_question_revokes_nothing(site: Site, tmp_path: Path):
    with site.terminal(tmp_path) as terminal:
        terminal.send(command("refused"))
        terminal.until(re.compile(r"Type their number"))
        terminal.interrupt()
        shown = terminal.shown
        assert "Nothing was revoked." in shown
        shown, code = terminal.type(command("refused") + " <<< 1200")
    assert code == 2
    assert "1,200 certificates would be revoked." in shown
    assert site.left("refused") == COUNT


def test_quiet_shows_nothing_of_it(site: Site, tmp_path: Path):
    with site.terminal(tmp_path) as quiet, site.terminal(tmp_path) as beside:
        with site.authority_stopped():
            quiet.send(command("quiet", "--yes --quiet"))
            # One that is begun after it has told for how long it has waited.
            beside.send(command("quiet", "--yes"))
            beside.until(WAITS)
        shown = quiet.until(READY)
        beside.until(READY)
    assert "@@ready 0@@" in shown
    assert "The server" not in shown
    assert site.left("quiet") == 0


def test_without_a_terminal_there_is_no_line_either(site: Site, tmp_path: Path):
    done = site.shell(tmp_path).run(*command("piped", "--yes").split()[1:])
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"total_revoked": 1200' in done.stdout


def test_a_server_that_goes_away_leaves_no_doubt_what_to_do(site: Site, tmp_path: Path):
    """Nobody can tell whether the request came through: the command says so."""
    with site.terminal(tmp_path) as terminal, site.authority_stopped():
        terminal.send(command("refused", "--yes"))
        terminal.until(WAITS)
        (worker,) = site.server.processes()["worker"]
        os.kill(worker, signal.SIGKILL)
        shown = terminal.until(READY)
    assert "@@ready 7@@" in shown
    assert "If the request has reached it, the server goes on to its end." in shown
    assert "The same command with --dry-run counts what is left" in shown
