"""Enroll, renew, and tell the hook: one step at a time, each safe to repeat."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from certctl.client.device.folder import CURRENT, IdentityFolder, Pair
from certctl.client.device.timing import Schedule
from certctl.client.est import EstServer
from certctl.client.failures import BadInput, ClientFailure, Refused, StillPending
from certctl.client.request import NewKey, Wanted, make_csr
from certctl.client.tls import TlsConnection

HOOK_SECONDS = 300.0
# The request itself is not granted; another one may be.
_REQUEST_REFUSED = frozenset({400, 403, 422})


class Done(StrEnum):
    """What a step did."""

    ENROLLED = "enrolled"
    RENEWED = "renewed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """``server`` carries the credentials of the first enrollment, if any."""

    folder: IdentityFolder
    server: EstServer
    wanted: Wanted | None = None
    kind: NewKey = NewKey.P256
    bind: bool = False
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen
    hook: Sequence[str] = ()

    def enroll(self) -> Done:
        """Get the first certificate; one that is there stays.

        Raises:
            ClientFailure: not now; the next call goes on with the same key and request.
        """
        with self.folder.locked():
            pair = self.folder.current()
            done = Done.NOTHING
            if pair is None:
                self._obtain(self._named(), self.server, renew=False)
                done = Done.ENROLLED
            self._tell()
            return done

    def renew(self, now: dt.datetime, *, force: bool = False) -> Done:
        """Renew where it is due, with a new key, over the certificate there is.

        An expired one renews nothing by itself: with credentials of its own the device
        enrolls again under the same names.

        Raises:
            ClientFailure: not now; the old pair stays in use.
        """
        with self.folder.locked():
            pair = self.folder.current()
            if pair is None:
                raise BadInput(
                    f"There is no certificate in {self.folder.directory}.",
                    "Get the first one: certctl-est enroll.",
                )
            certificate = pair.certificate()
            done = Done.NOTHING
            if force or now >= self.schedule.due(certificate):
                self._renew(pair, expired=certificate.not_valid_after_utc <= now)
                done = Done.RENEWED
            self._tell()
            return done

    def step(self, now: dt.datetime) -> Done:
        """Whichever of the two there is to do."""
        if not (self.folder.directory / CURRENT).is_symlink():
            return self.enroll()
        return self.renew(now)

    def next_look(self) -> dt.datetime | None:
        """When the current certificate is due."""
        pair = self.folder.current()
        return self.schedule.due(pair.certificate()) if pair is not None else None

    def ends(self) -> dt.datetime | None:
        """When the current certificate expires."""
        pair = self.folder.current()
        return pair.certificate().not_valid_after_utc if pair is not None else None

    def _renew(self, pair: Pair, *, expired: bool) -> None:
        wanted = Wanted.as_in(pair.certificate())
        has_credentials = self.server.basic is not None or self.server.identity is not None
        if expired and has_credentials:
            self._obtain(wanted, self.server, renew=False)
            return
        own = replace(self.server, basic=None, identity=pair.identity)
        self._obtain(wanted, own, renew=True)

    def _named(self) -> Wanted:
        if self.wanted is None:
            raise BadInput("Under which name?", "Give --cn or --san.")
        return self.wanted

    def _obtain(self, wanted: Wanted, server: EstServer, *, renew: bool) -> None:
        pair = self.folder.begin(wanted, self.kind)
        request = pair.request_file.read_bytes()

        def csr_of(connection: TlsConnection) -> bytes:
            if not self.bind:
                return request
            return make_csr(wanted, pair.key(), exporter=connection.exporter())

        try:
            certificates = server.enroll(csr_of, renew=renew)
        except StillPending:
            raise
        except Refused as refused:
            if refused.status in _REQUEST_REFUSED:
                self.folder.discard(pair)
            raise
        self.folder.finish(pair, certificates)

    def _tell(self) -> None:
        """Run the hook where it is due.

        Raises:
            ClientFailure: it failed; it is run again at the next step.
        """
        if not self.folder.hook_due:
            return
        if self.hook:
            run_hook(self.hook, self.folder.directory / CURRENT)
        self.folder.hook_done()


def run_hook(command: Sequence[str], current: Path) -> None:
    """Run the operator's command; where the files are stands in its environment.

    Raises:
        ClientFailure: it cannot be run, failed, or took longer than five minutes.
    """
    pair = Pair(folder=current.absolute())
    environment = os.environ | {
        "CERTCTL_EST_KEY": str(pair.key_file),
        "CERTCTL_EST_CERT": str(pair.certificate_file),
        "CERTCTL_EST_CHAIN": str(pair.chain_file),
    }
    remedy = "It is run again with the next step; the new pair is in use already."
    try:
        code = _waited(command, environment)
    except (OSError, subprocess.TimeoutExpired) as err:
        reason = getattr(err, "strerror", None) or "it took too long"
        raise ClientFailure(f"The hook could not be run: {reason}.", remedy) from err
    if code:
        raise ClientFailure(f"The hook ended with {code}.", remedy)


def _waited(command: Sequence[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(  # noqa: S603 - the operator's own words, without a shell
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(HOOK_SECONDS)
        except BaseException:
            # Its children, too: the session is its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            raise
