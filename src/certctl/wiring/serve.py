"""``serve``: from settings to a running process tree, in the foreground.

Start order: one server per data directory and port is made sure of, then the
authority starts (migrations, CA, the listener's own certificate), then the workers.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from certctl.domain.clock import Clock
from certctl.obs.log import Level, Log, make_log
from certctl.obs.metrics.measured import AuthorityMetrics, JobsMetrics, TreeMetrics
from certctl.obs.metrics.numbers import Numbers
from certctl.obs.tracing.current import trace_fields
from certctl.settings.schema import LogFormat, Settings
from certctl.trust.accepted import forget_accepted
from certctl.wiring import authority_process, jobs_process, sockets, worker_process
from certctl.wiring.clock import system_clock
from certctl.wiring.metrics import AUTHORITY, JOBS, SUPERVISOR, make_numbers, worker_name
from certctl.wiring.ports import PortInUse, reserve_port
from certctl.wiring.reload import registration_directory, trust_directory
from certctl.wiring.service_manager import ServiceManager
from certctl.wiring.status import Status, refuse_start
from certctl.wiring.supervisor import ChildSpec, Supervisor

# The children of a killed supervisor are killed with it, but one may be in the middle of
# an fsync and hold the lock until the disk is done.
LOCK_SECONDS = 1.0

HOST = "CERTCTL_SERVER_HOST"


class StartRefused(Exception):
    """The server cannot start here; the text names what is in the way and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known once the tree is ready."""

    url: str
    pid: int
    ca_file: Path


def serve(
    settings: Settings,
    *,
    on_ready: Callable[[Served], int] | None = None,
    ready_file: Path | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; gives the exit code.

    ``on_ready`` runs in a child process of its own once everything serves; a non-zero
    result ends the server. ``ready_file``, which it may write, is removed at start and
    stop; a server that is refused because another one runs here leaves it alone.
    """
    clock = system_clock
    log = process_log(settings, "supervisor", clock)
    for finding in settings.warnings:
        log.warning("setting", variable=finding.variable, problem=finding.problem)
    try:
        data = prepare_data_directory(settings.server.data_dir, log)
        run = data / sockets.RUN_DIRECTORY
        lock = _lock(run)
        _remove(ready_file)
        server = settings.server
        port, reservation = reserve_port(
            server.host, server.port, setting=f"{HOST} and CERTCTL_SERVER_PORT (--host, --port)"
        )
        reservations = [reservation]
        if server.tls12_port is not None:
            _, reservation = reserve_port(
                server.host, server.tls12_port, setting=f"{HOST} and CERTCTL_TLS12_PORT"
            )
            reservations.append(reservation)
        if server.pki_http_port is not None:
            _, reservation = reserve_port(
                server.host, server.pki_http_port, setting=f"{HOST} and CERTCTL_PKI_HTTP_PORT"
            )
            reservations.append(reservation)
        if server.metrics_port is not None:
            _, reservation = reserve_port(
                server.metrics_address,
                server.metrics_port,
                setting="CERTCTL_METRICS_ADDRESS and CERTCTL_METRICS_PORT",
            )
            reservations.append(reservation)
    except (StartRefused, PortInUse) as refused:
        return refuse_start(refused)
    forget_accepted(trust_directory(settings.server))
    forget_accepted(registration_directory(settings.server))
    listeners = sockets.listen(run)
    served = Served(
        url=f"https://{_url_host(settings.server.host)}:{port}",
        pid=os.getpid(),
        ca_file=authority_process.first_ca_file(settings),
    )
    numbers = make_numbers(settings)
    specs = _children(
        settings, listeners, run, port=port, served=served, on_ready=on_ready, numbers=numbers
    )
    supervisor = Supervisor(
        specs,
        log=log,
        grace_s=settings.server.shutdown_grace_s,
        manager=ServiceManager(os.environ),
        metrics=TreeMetrics(numbers, numbers.begin(SUPERVISOR)),
    )
    try:
        return supervisor.run()
    finally:
        _remove(ready_file)
        listeners.close()
        for reservation in reservations:
            reservation.close()
        os.close(lock)


def _children(
    settings: Settings,
    listeners: sockets.Listeners,
    run: Path,
    *,
    port: int,
    served: Served,
    on_ready: Callable[[Served], int] | None,
    numbers: Numbers,
) -> list[ChildSpec]:
    def authority(status: Status) -> int:
        log = process_log(settings, "authority", system_clock)
        metrics = AuthorityMetrics(numbers, numbers.begin(AUTHORITY))
        return authority_process.run(
            settings, listeners, status, log=log, clock=system_clock, metrics=metrics
        )

    def worker(number: int) -> Callable[[Status], int]:
        def run_worker(status: Status) -> int:
            listeners.close()
            log = process_log(settings, worker_name(number), system_clock)
            place = worker_process.Place(
                number=number, port=port, run_directory=run, numbers=numbers
            )
            return worker_process.run(settings, place, status, log=log, clock=system_clock)

        return run_worker

    def jobs(status: Status) -> int:
        listeners.close()
        log = process_log(settings, "jobs", system_clock)
        metrics = JobsMetrics(numbers, numbers.begin(JOBS))
        return jobs_process.run(settings, run, status, log=log, clock=system_clock, metrics=metrics)

    specs = [
        ChildSpec(name=AUTHORITY, stage=0, run=authority),
        ChildSpec(name=JOBS, stage=1, run=jobs),
    ]
    specs += [
        ChildSpec(name=worker_name(number), stage=1, run=worker(number))
        for number in range(1, settings.server.workers + 1)
    ]
    if on_ready is not None:
        specs.append(
            ChildSpec(name="on-ready", stage=2, run=lambda _status: on_ready(served), once=True)
        )
    return specs


def process_log(settings: Settings, process: str, clock: Clock) -> Log:
    server = settings.server
    return make_log(
        process,
        level=Level[server.log_level.name],
        text=server.log_format is LogFormat.TEXT,
        clock=clock,
        more=trace_fields if settings.traces.enabled else None,
    )


def prepare_data_directory(path: Path, log: Log) -> Path:
    """Make it, or make sure that only this user gets in.

    Raises:
        StartRefused: it cannot be made or is somebody else's.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if status.st_uid != os.geteuid() and os.geteuid() != 0:
            raise StartRefused(f"{path} belongs to another user; set CERTCTL_DATA_DIR to your own.")
        if status.st_mode & 0o077:
            path.chmod(0o700)
            log.warning("data_directory_closed", path=str(path), was=f"{status.st_mode & 0o777:o}")
        if not os.access(path, os.W_OK | os.X_OK):
            raise StartRefused(f"{path} cannot be written; set CERTCTL_DATA_DIR or its mode.")
    except OSError as err:
        raise StartRefused(f"{path} cannot be used: {err.strerror}.") from err
    return path


def _lock(run: Path) -> int:
    """One supervisor per data directory; the lock ends with the last process of its tree."""
    run.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError as err:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            os.close(fd)
            raise StartRefused(
                f"another certctl-server is running on {run.parent}; stop it,"
                " or set CERTCTL_DATA_DIR to a directory of its own."
            ) from err


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _url_host(host: str) -> str:
    if host in ("", "0.0.0.0", "::", "127.0.0.1", "::1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
