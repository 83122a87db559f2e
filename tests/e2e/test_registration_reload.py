"""SIGHUP reads the lists of registration authorities again, too; a bad one changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction, AuditEvent
from tests.harness.device import Device
from tests.harness.records import all_events
from tests.harness.server import clean_environment
from tests.security.test_registration_authorities import World

# Both workers are among so many connections, but for once in 2**15 runs.
MANY = 16
WAIT_SECONDS = 20.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.server:
        yield made


def ra_file(world: World) -> Path:
    return world.directory / "ra.pem"


def write(world: World, *listed: Device) -> None:
    fresh = ra_file(world).with_suffix(".new")
    fresh.write_bytes(b"".join(each.certificate_file.read_bytes() for each in listed))
    fresh.replace(ra_file(world))


def statuses(world: World, authority: Device) -> set[int]:
    return {world.ask(authority, world.new_device()).status for _ in range(MANY)}


def reloads(world: World) -> list[AuditEvent]:
    return [
        each.event
        for each in all_events(world.server)
        if each.event.action is AuditAction.TRUST_ANCHOR_RELOADED
    ]


def loads(world: World, profile: str = "corp") -> int:
    """How often workers have taken over this profile's list."""
    lines = world.server.log_events("registration_authorities_loaded")
    return sum(1 for each in lines if each["profile"] == profile)


def until(world: World, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, world.server.log()
        time.sleep(0.02)


def trust(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*world.server.program, "trust", *arguments],
        env=clean_environment(world.server.environment),
        cwd=world.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_taken_off_the_list_speaks_for_nobody(world: World) -> None:
    assert statuses(world, world.ra) == {200}
    write(world, world.ra_with_both)
    assert statuses(world, world.ra) == {200}, "the file alone changes nothing"

    world.server.process.send_signal(signal.SIGHUP)
    # Each of two workers at its start, then again.
    until(world, lambda: loads(world) == 4)

    assert statuses(world, world.ra) == {401}
    assert statuses(world, world.ra_with_both) == {200}
    # Two profiles name the file; bundles did not change.
    corp, line = reloads(world)
    assert {corp.profile, line.profile} == {"corp", "line"}
    for event in (corp, line):
        assert event.actor == "system"
        assert event.resource_type == "registration_authorities"
        assert event.details["path"] == str(ra_file(world))
        assert (event.details["count"], event.details["added"]) == (1, [])
        assert len(event.details["removed"]) == 5  # type: ignore[arg-type]


def test_a_bad_list_keeps_the_old_one_and_is_told(world: World) -> None:
    whole = ra_file(world).read_bytes()
    for bad in (whole[:-40], b"", world.server.ca_file.read_bytes()):
        ra_file(world).write_bytes(bad)
        before = len(world.server.log_events("registration_authorities_reload_refused"))
        world.server.process.send_signal(signal.SIGHUP)
        refused = "registration_authorities_reload_refused"
        until(world, lambda: len(world.server.log_events(refused)) >= before + 2)  # noqa: B023
        done = trust(world, "reload", "--profile", "corp")
        assert done.returncode == 5
        assert str(ra_file(world)) in done.stderr
        assert "remedy:" in done.stderr
    assert statuses(world, world.ra) == {200}
    registered = [each for each in reloads(world) if each.resource_type != "trust_bundle"]
    assert registered == []
    listed = json.loads(trust(world, "list", "--profile", "corp", "--json").stdout)["data"]
    bundle, authorities = listed
    assert (bundle["kind"], authorities["kind"]) == ("trust_bundle", "registration_authorities")
    assert "CN=ra" in {each["subject"] for each in authorities["anchors"]}
    assert len(authorities["anchors"]) == 6
    assert any("was refused" in note for note in authorities["notes"])


def test_an_operator_reloads_it_by_name(world: World) -> None:
    write(world, world.ra)
    done = trust(world, "reload", "--profile", "corp")
    assert done.returncode == 0, done.stderr
    found = {each["kind"]: each for each in json.loads(done.stdout)["data"]}
    assert found["registration_authorities"]["count"] == 1
    until(world, lambda: loads(world) == 4)
    assert statuses(world, world.ra_with_both) == {401}
    event = next(each for each in reloads(world) if each.resource_type != "trust_bundle")
    assert event.actor.startswith("host:")
    text = trust(world, "list", "--output", "table").stdout
    assert f"corp registration authorities  {ra_file(world)}" in text


def test_a_server_with_a_bad_list_does_not_start(world: World) -> None:
    world.server.stop()
    write(world, world.ra, world.unlisted)
    ra_file(world).write_bytes(ra_file(world).read_bytes()[:-40])
    done = subprocess.run(
        [*world.server.program, "check"],
        env=clean_environment(world.server.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "RA_CERTIFICATES" in done.stderr
    assert "cut off" in done.stderr
