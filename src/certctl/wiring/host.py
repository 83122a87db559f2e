"""Host commands: through the running server's authority, or in its place when none runs.

A command of ``certctl-server`` never writes beside a running authority: it sends over
its socket. Only when nobody answers there does it open the store itself, under the lock
that a server would hold.
"""

from __future__ import annotations

import os
import pwd
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from certctl.authority.caller import AuthorityCaller, expect
from certctl.authority.carry_out import Powers
from certctl.authority.commands import Command, CommandResult
from certctl.authority.issue import IssuingRules
from certctl.authority.profiles import NamedBy
from certctl.authority.service import AuthorityService
from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.clock import Clock
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of
from certctl.settings.certificate_profiles import (
    CertificateProfilesRefused,
    load_certificate_profiles,
)
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, open_records
from certctl.wiring import sockets
from certctl.wiring.certificate_profiles import named_by
from certctl.wiring.clock import system_clock
from certctl.wiring.events import make_outbox
from certctl.wiring.ids import new_ids
from certctl.wiring.pepper import open_pepper, read_pepper
from certctl.wiring.store import open_store

Answer = TypeVar("Answer", bound=CommandResult)

LOGIN_UID = Path("/proc/self/loginuid")
NOBODY_LOGGED_IN = 0xFFFFFFFF


def operator() -> str:
    """Who gives a host command, as audit events name it.

    The user who logged in, which sudo does not change (Linux keeps it per session); in
    containers and services, where nobody did, the user that runs the command. Never a
    name out of the environment: approvals by two people are told apart by this.
    """
    uid = os.getuid()
    try:
        login = int(LOGIN_UID.read_text())
    except (OSError, ValueError):
        login = NOBODY_LOGGED_IN
    if login != NOBODY_LOGGED_IN:
        uid = login
    try:
        return f"host:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"host:uid-{uid}"


def records(settings: Settings) -> SqlRecords:
    """The records, read-only, beside a running server or alone.

    Raises:
        StoreError: there is no store, or not one of this version.
    """
    return open_records(settings.server.database_read_url)


def run_command(
    settings: Settings, command: Command, answer: type[Answer], *, clock: Clock = system_clock
) -> Answer:
    """Run one command; its effects are durable on return.

    ``answer`` is the kind of result that this command has.

    Raises:
        Failure: the command was refused, or the authority did not answer in time.
        StoreError: no server runs and the store cannot be opened.
    """
    with authority(settings, clock=clock) as execute:
        return expect(execute(command), answer)


Execute = Callable[[Command], CommandResult]


@contextmanager
def authority(settings: Settings, *, clock: Clock = system_clock) -> Iterator[Execute]:
    """Who carries out commands: a running server's authority, or one in its place.

    Raises:
        StoreError: no server runs and the store cannot be opened.
    """
    run = settings.server.data_dir / sockets.RUN_DIRECTORY
    try:
        connection = sockets.connect(run)
    except OSError:
        with _in_process(settings, clock) as execute:
            yield execute
        return
    # It connects once: should the authority end meanwhile, what was done is told, and
    # whether to go on is the operator's to say.
    waiting = [connection]

    def connect() -> socket.socket:
        if not waiting:
            raise ConnectionError("the authority has ended")
        return waiting.pop()

    caller = AuthorityCaller(connect)
    try:
        yield caller.run
    finally:
        caller.close()


def pepper(settings: Settings) -> bytes:
    """The pepper of the API keys; made, with the store, where no server ever ran.

    Raises:
        PepperRefused, StoreError, OSError: it cannot be used, or there is another on record.
    """
    directory = settings.server.data_dir
    if is_running(settings):
        return read_pepper(directory)
    store = open_store(settings)
    try:
        return open_pepper(directory, store)
    finally:
        store.close()


def is_running(settings: Settings) -> bool:
    """Somebody listens on the authority's socket of this data directory."""
    try:
        sockets.connect(settings.server.data_dir / sockets.RUN_DIRECTORY).close()
    except OSError:
        return False
    return True


@contextmanager
def _in_process(settings: Settings, clock: Clock) -> Iterator[Execute]:
    store = open_store(settings)
    try:
        service = AuthorityService(
            store,
            IssuingRules({}, {}),
            node=store.node,
            clock=clock,
            new_id=new_ids(clock),
            on_fault=_tell,
            powers=Powers(named_by=lambda: _named_by(settings)),
            outbox=make_outbox(settings),
        )

        def execute(command: Command) -> CommandResult:
            outcome = service.execute(command)
            if isinstance(outcome, Failure):
                raise outcome
            return outcome

        yield execute
    finally:
        store.close()


def _named_by(settings: Settings) -> NamedBy:
    """Also where files are at fault: what an EST profile names must not be removed then."""
    try:
        directory = settings.server.certificate_profiles_dir
        files = load_certificate_profiles(directory) if directory else {}
    except CertificateProfilesRefused:
        files = {}
    return named_by(settings, CertificateProfiles(files=files))


def _tell(fault: BaseException) -> None:
    sys.stderr.write(f"certctl-server: {words_of(fault)}\n")
