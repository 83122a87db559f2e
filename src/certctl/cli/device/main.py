"""``certctl-est enroll|renew|daemon``: a device's certificate, from first boot to last renewal."""

from __future__ import annotations

import datetime as dt
import random
import shlex
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from certctl import __version__
from certctl.cli.client_ending import ending
from certctl.cli.ending import complain
from certctl.cli.help_texts import run
from certctl.cli.option_groups import spread
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import Who
from certctl.cli.text import Quiet
from certctl.client.device.device import Device, Done
from certctl.client.device.folder import IdentityFolder
from certctl.client.device.timing import Schedule, retry_after
from certctl.client.failures import BadInput, ClientFailure, Refused
from certctl.client.request import NewKey, Wanted

# A machine that slept, or whose clock was set, finds out within this time.
LONGEST_SLEEP_SECONDS = 3_600.0

app = typer.Typer(
    name="certctl-est",
    help="Keep a device's key and certificate, by EST (RFC 7030).",
    epilog="Example: certctl-est daemon --profile iot --dir /var/lib/device",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where the identity is kept, how it is made, and who is told."""

    directory: Annotated[
        Path, typer.Option("--dir", help="Folder of the identity; made when missing.")
    ]
    key_type: Annotated[NewKey, typer.Option(help="Kind of each new key.")] = NewKey.P256
    bind: Annotated[
        bool, typer.Option("--bind", help="Bind requests to their connection (tls-exporter).")
    ] = False
    hook: Annotated[
        str | None, typer.Option(help="Command to run after each new certificate; no shell.")
    ] = None
    quiet: Quiet = False

    def tell(self, done: Done) -> None:
        """What was done, where anything was."""
        if done is not Done.NOTHING and not self.quiet:
            complain(f"certctl-est: {done.value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Whom the first certificate is for."""

    cn: Annotated[str, typer.Option(help="Common name.")] = ""
    san: Annotated[
        list[str] | None,
        typer.Option(help="DNS:…, IP:…, URI:… or EMAIL:…; may be given more than once."),
    ] = None

    def wanted(self) -> Wanted | None:
        return Wanted.of(self.cn, self.san or ()) if self.cn or self.san else None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When to renew."""

    renew_at: Annotated[
        float, typer.Option(help="Share of the lifetime after which to renew.", min=0.0, max=1.0)
    ] = 0.5
    jitter: Annotated[
        float, typer.Option(help="Up to this share earlier, each device its own.", min=0, max=1)
    ] = 0.1

    def schedule(self) -> Schedule:
        return Schedule(renew_at=self.renew_at, jitter=self.jitter)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f"certctl-est {__version__}")
        raise typer.Exit


@app.command()
@ending
@spread
def enroll(where: Where, who: Who, kept: Kept, names: Names) -> None:
    """Get the first certificate into DIR/current; one that is there stays.

    Example: certctl-est enroll --server https://est.example.com:8443 --profile iot
    --dir /var/lib/device --cn device-1 --user device-1 --password-file /etc/device/password
    """
    kept.tell(_device(where, who, kept, names=names).enroll())


@app.command()
@ending
@spread
def renew(
    where: Where,
    who: Who,
    kept: Kept,
    when: When,
    *,
    force: Annotated[bool, typer.Option("--force", help="Renew, due or not.")] = False,
) -> None:
    """Renew the certificate in DIR/current if it is due, over that certificate.

    Example: certctl-est renew --profile iot --dir /var/lib/device --renew-at 0.5
    --hook "systemctl reload nginx"
    """
    device = _device(where, who, kept, when=when)
    kept.tell(device.renew(_now(), force=force))


@app.command()
@ending
@spread
def daemon(where: Where, who: Who, kept: Kept, names: Names, when: When) -> None:
    """Stay, enroll where there is nothing yet, and renew in time, until SIGTERM.

    SIGHUP: look now.

    Example: certctl-est daemon --profile iot --dir /var/lib/device --cn device-1
    --user device-1 --password-file /etc/device/password --hook "systemctl reload nginx"
    """
    device = _device(where, who, kept, names=names, when=when)
    stop, wake = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        stop.set()
        wake.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda *_: wake.set())
    failures = 0
    while not stop.is_set():
        try:
            kept.tell(device.step(_now()))
            failures = 0
            seconds = _until_due(device)
        except BadInput:
            # Nothing that waiting would mend; a service manager tells its operator.
            raise
        except (ClientFailure, OSError) as failure:
            failures += 1
            seconds = _pause(device, failures, failure)
        wake.wait(seconds)
        # Here, never before a look: a signal between the two would be forgotten.
        wake.clear()


def _device(
    where: Where, who: Who, kept: Kept, *, names: Names | None = None, when: When | None = None
) -> Device:
    return Device(
        folder=IdentityFolder(directory=kept.directory),
        server=who.est(where),
        wanted=names.wanted() if names else None,
        kind=kept.key_type,
        bind=kept.bind,
        schedule=when.schedule() if when else Schedule(),
        hook=shlex.split(kept.hook) if kept.hook else (),
    )


def _until_due(device: Device) -> float:
    due = device.next_look()
    left = (due - _now()).total_seconds() if due is not None else 0.0
    return min(max(left, 1.0), LONGEST_SLEEP_SECONDS)


def _pause(device: Device, failures: int, failure: ClientFailure | OSError) -> float:
    lines = failure.lines() if isinstance(failure, ClientFailure) else [str(failure)]
    asked = failure.retry_after if isinstance(failure, Refused) else None
    ends = device.ends()
    left = ends - _now() if ends is not None else dt.timedelta(days=30)
    seconds = retry_after(failures, left=left, drawn=random.random(), asked=asked)  # noqa: S311
    complain(f"{' '.join(lines)} Next try in {seconds:.0f} seconds.")
    return seconds


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def main() -> None:
    """Entry point of the ``certctl-est`` program."""
    run(app)
