"""Many commands one after the other over a real socket pair, and what a refusal leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from certctl.authority.caller import AuthorityCaller
from certctl.authority.commands import CrlPartKept, LeaseAnswer, PutCrlPart, TakeLease
from certctl.authority.messages import (
    CommandReply,
    CommandRequest,
    FrameReader,
    decode_requests,
    encode_frame,
    failure_reply,
)
from certctl.domain.errors import CrlRefused, StoreUnavailable

LEASE = TakeLease(job="j", holder="h", every_us=0, lease_us=1)


def piece(part: int) -> PutCrlPart:
    return PutCrlPart(fence=1, issuer_id="i", number=1, part=part, octets=b"x")


class Answering:
    """Answers pieces as an authority does, refuses part ``refused``; counts its callers."""

    def __init__(self, refused: int | None = None, falls_silent_at: int | None = None) -> None:
        self.refused = refused
        self.falls_silent_at = falls_silent_at
        self.parts: list[int] = []
        self.connections = 0

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.connections += 1
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, connection: socket.socket) -> None:
        reader = FrameReader()
        # A caller that gave up is nobody's fault here.
        with connection, contextlib.suppress(ConnectionError):
            connection.sendall(encode_frame([]))
            while data := connection.recv(1 << 16):
                for frame in reader.feed(data):
                    for request in decode_requests(frame):
                        assert isinstance(request, CommandRequest)
                        command = request.command
                        if isinstance(command, TakeLease):
                            reply = CommandReply(request.id, LeaseAnswer(7))
                            connection.sendall(encode_frame([reply]))
                            continue
                        assert isinstance(command, PutCrlPart)
                        if command.part == self.falls_silent_at:
                            return
                        self.parts.append(command.part)
                        refused = command.part == self.refused
                        connection.sendall(
                            encode_frame(
                                [
                                    failure_reply(request.id, CrlRefused("size"))
                                    if refused
                                    else CommandReply(request.id, CrlPartKept())
                                ]
                            )
                        )


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Iterator[tuple[AuthorityCaller, Answering]]:
    authority = Answering(**request.param)
    caller = AuthorityCaller(authority.connect)
    yield caller, authority
    caller.close()


Pair = tuple[AuthorityCaller, Answering]


@pytest.mark.parametrize("caller", [{}], indirect=True)
def test_all_are_carried_out_in_their_order(caller: Pair):
    ours, authority = caller
    assert ours.execute_each((piece(part) for part in range(5)), CrlPartKept) == 5
    assert authority.parts == [0, 1, 2, 3, 4]
    assert ours.execute_each((), CrlPartKept) == 0
    assert ours.execute(LEASE, LeaseAnswer).fence == 7
    assert authority.connections == 1


@pytest.mark.parametrize("caller", [{"refused": 2}], indirect=True)
def test_a_refused_one_ends_it_and_what_follows_is_not_confused(caller: Pair):
    ours, authority = caller
    with pytest.raises(CrlRefused):
        ours.execute_each((piece(part) for part in range(9)), CrlPartKept)
    assert max(authority.parts) <= 3, "one may have been on its way"
    assert ours.execute(LEASE, LeaseAnswer).fence == 7


@pytest.mark.parametrize("caller", [{"falls_silent_at": 2}], indirect=True)
def test_an_authority_that_goes_away_fails_it(caller: Pair):
    ours, _ = caller
    with pytest.raises(StoreUnavailable):
        ours.execute_each((piece(part) for part in range(9)), CrlPartKept)
    assert ours.execute(LEASE, LeaseAnswer).fence == 7


@pytest.mark.parametrize("caller", [{}], indirect=True)
def test_a_fault_while_the_next_is_made_leaves_no_answer_behind(caller: Pair):
    ours, _ = caller

    def broken() -> Iterator[PutCrlPart]:
        yield piece(0)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        ours.execute_each(broken(), CrlPartKept)
    assert ours.execute_each([piece(0)], CrlPartKept) == 1
