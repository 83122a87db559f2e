"""Worker and authority over their real socket: answers, losses, and peers that lie."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import uvloop

from certctl.authority.client import AuthorityClient
from certctl.authority.messages import MAX_FRAME, encode_frame
from certctl.authority.server import AuthorityServer
from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.domain.errors import IssuerUnavailable, PolicyViolation, StoreUnavailable
from certctl.domain.order import Issued
from certctl.wiring import sockets
from tests.unit.authority.conftest import Workshop

WAIT_SECONDS = 10


@contextmanager
def served(workshop: Workshop, listener: sockets.Listeners) -> Iterator[list[BaseException]]:
    faults: list[BaseException] = []
    server = AuthorityServer(
        workshop.service,
        host=listener.host,
        workers=listener.workers,
        on_tick=lambda: None,
        on_fault=faults.append,
    )
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield faults
    finally:
        server.stop()
        os.write(server.wake_fd, b"x")
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[sockets.Listeners]:
    made = sockets.listen(tmp_path / "run")
    yield made
    made.close()


def run(
    directory: Path, work: Callable[[AuthorityClient], Awaitable[None]], seconds: float = 10.0
) -> None:
    """On the loop that workers have."""

    async def main() -> None:
        client = AuthorityClient(
            partial(sockets.connect_worker, directory / "run"), answer_seconds=seconds
        )
        client.start()
        try:
            await asyncio.wait_for(work(client), WAIT_SECONDS)
        finally:
            client.close()

    uvloop.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it polls what another thread does
        await asyncio.sleep(0.01)


def test_many_orders_on_one_connection(workshop: Workshop, listener: sockets.Listeners) -> None:
    orders = [workshop.order(f"device-{n}") for n in range(50)]

    async def work(client: AuthorityClient) -> None:
        issued = await asyncio.gather(*map(client.issue, orders))
        assert len({each.der for each in issued}) == 50
        assert client.connected

    with served(workshop, listener):
        run(workshop.directory, work)
    assert len(workshop.records().certificates()) == 50


def test_refusals_of_the_authority_arrive_as_they_were(
    workshop: Workshop, listener: sockets.Listeners
) -> None:
    async def work(client: AuthorityClient) -> None:
        with pytest.raises(IssuerUnavailable) as away:
            await client.issue(workshop.order(issuer_id="gone"))
        assert (away.value.what, away.value.retry_after) == ("issuer gone", 60)
        with pytest.raises(PolicyViolation) as refused:
            await client.issue(workshop.order(subject_der=bytes.fromhex("3000")))
        assert refused.value.dimension == "subject"

    with served(workshop, listener):
        run(workshop.directory, work)


def test_refusals_of_the_edge_are_recorded(workshop: Workshop, listener: sockets.Listeners) -> None:
    event = AuditEvent(
        time_us=workshop.now_us,
        actor="est-client:x",
        actor_type="est-client",
        action=AuditAction.AUTH_FAILED_BASIC,
        outcome=Outcome.FAILURE,
        profile="demo",
        details={"reason": "wrong_password", "sans": ["a", "b"], "number": 7},
    )
    records = workshop.records()

    async def work(client: AuthorityClient) -> None:
        client.record_refusal(event, Counter.AUTH_FAILED_BASIC)
        client.record_refusal(event, None)
        await until(lambda: len(records.events()) == 2)

    with served(workshop, listener):
        run(workshop.directory, work)
    assert [recorded.event for recorded in records.events()] == [event, event]
    assert records.counts() == {("demo", Counter.AUTH_FAILED_BASIC): 1}


def test_orders_wait_for_the_next_authority_and_give_up_in_time(
    workshop: Workshop, listener: sockets.Listeners
) -> None:
    async def patient(client: AuthorityClient) -> None:
        waiting = asyncio.ensure_future(client.issue(workshop.order()))
        await asyncio.sleep(0.1)
        assert not client.connected, "a connection in the queue is no authority"
        loop = asyncio.get_running_loop()
        with served(workshop, listener):
            assert isinstance(await waiting, Issued)
            assert client.connected
            await loop.run_in_executor(None, time.sleep, 0)

    run(workshop.directory, patient)

    async def impatient(client: AuthorityClient) -> None:
        with pytest.raises(StoreUnavailable):
            await client.issue(workshop.order())

    run(workshop.directory, impatient, seconds=0.2)


def test_a_lost_authority_fails_its_orders_and_the_next_is_found(
    workshop: Workshop, listener: sockets.Listeners
) -> None:
    async def work(client: AuthorityClient) -> None:
        waiting = asyncio.ensure_future(client.issue(workshop.order("lost")))
        accepted = await asyncio.get_running_loop().run_in_executor(None, listener.workers.accept)
        accepted[0].close()
        with pytest.raises(StoreUnavailable):
            await waiting
        assert not client.connected
        with pytest.raises(StoreUnavailable):
            await client.issue(workshop.order("at once"))
        with served(workshop, listener):
            await until(lambda: client.connected)
            assert isinstance(await client.issue(workshop.order("found")), Issued)

    run(workshop.directory, work)
    assert [record.subject for record in workshop.records().certificates()] == ["CN=found"]


def test_an_authority_that_dies_with_orders_unread_is_noticed_at_once(
    workshop: Workshop, listener: sockets.Listeners
) -> None:
    """Its last words and its end are announced together, and nothing after them."""

    async def work(client: AuthorityClient) -> None:
        with listener.workers.accept()[0] as authority:
            waiting = asyncio.ensure_future(client.issue(workshop.order("lost")))
            await asyncio.sleep(0)
            client._flush()
            # From here on the loop stands still, so that it sees all of it at once.
            authority.sendall(encode_frame([]))
        with pytest.raises(StoreUnavailable):
            await waiting

    run(workshop.directory, work, seconds=3600)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00\x00\x04junk",
        (MAX_FRAME + 1).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x03\x91\x91\x01",
        b"\x00\x00\x00\x0e\x91\x94\xa7attempt\x01\xa1\xff\xc0",
    ],
    ids=["not msgpack", "oversized", "http", "not a message", "not UTF-8"],
)
def test_a_peer_that_lies_is_dropped_and_others_are_served(
    workshop: Workshop, listener: sockets.Listeners, garbage: bytes
) -> None:
    async def work(client: AuthorityClient) -> None:
        assert isinstance(await client.issue(workshop.order()), Issued)

    with served(workshop, listener) as faults:
        with sockets.connect_worker(workshop.directory / "run") as liar:
            liar.settimeout(WAIT_SECONDS)
            liar.sendall(garbage)
            while liar.recv(4096):
                pass
        run(workshop.directory, work)
    assert len(faults) == 1


def test_a_peer_that_hangs_up_changes_nothing(
    workshop: Workshop, listener: sockets.Listeners
) -> None:
    async def work(client: AuthorityClient) -> None:
        # A peer gone before its greeting was sent has ordered nothing yet.
        await until(lambda: client.connected)
        for number in range(20):
            asyncio.ensure_future(client.issue(workshop.order(f"gone-{number}"))).add_done_callback(
                lambda done: done.exception()
            )
        await asyncio.sleep(0)
        client._flush()

    with served(workshop, listener):
        run(workshop.directory, work)
        deadline = time.monotonic() + WAIT_SECONDS
        while len(workshop.records().certificates()) < 20:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert len(workshop.records().events()) == 20
