"""A real Prometheus on loopback that scrapes our servers, as an operator would have it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.harness.server import free_port

WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Its HTTP API."""

    port: int

    def api(self, path: str, **fields: str) -> Any:
        """The ``data`` of a good answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(fields)}"
        with urlopen(url, timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Samples of an expression, now.

        Raises:
            HTTPError: it is none.
        """
        return list(self.api("query", query=expression)["result"])

    def wait_scraped(self, targets: int) -> None:
        """Until so many targets answered twice: rates need two samples."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.query('sum_over_time(up{job="certctl"}[1m]) >= 2')) < targets:
            assert time.monotonic() < deadline, self.api("targets")
            time.sleep(PAUSE_SECONDS)


@contextmanager
def prometheus(
    directory: Path, program: str, scrape: Sequence[object], *, rules: Path
) -> Iterator[Prometheus]:
    """Run ``program`` with these scrape configurations, every two seconds."""
    directory.mkdir()
    port = free_port()
    config = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": scrape,
    }
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(config))  # which is YAML, too
    log = directory / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=out,
            stderr=out,
        )
    running = Prometheus(port=port)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                running.query("1")
                break
            except (URLError, OSError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(PAUSE_SECONDS)
        yield running
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)
