"""What the authority did for one request, as plain numbers.

The process that holds the CA keys sends nothing to a collector, and loads no library that
could: it hands its times back with the answer, and the worker that asked makes spans of
them. Times are nanoseconds since the epoch, of the one clock that both processes have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Final

TURN: Final = "authority.turn"
COMMAND: Final = "authority.command"
SIGN: Final = "issuer.sign"
CALL: Final = "issuer.call"
COMMIT: Final = "store.commit"


@dataclass(frozen=True, slots=True)
class Step:
    """``about`` is the issuer's id; ``orders`` how many orders the transaction had."""

    name: str
    began_ns: int
    ended_ns: int
    about: str = ""
    orders: int = 0


class TurnSteps:
    """Watches one turn of the authority's loop after the other."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._signed: dict[str, Step] = {}
        self._called: dict[str, Step] = {}
        self._commit: Step | None = None

    def begin(self) -> None:
        """What follows is for another transaction."""
        self._signed.clear()
        self._commit = None
        self._began_ns = time_ns()

    def signed(self, request_id: str, issuer_id: str, began_ns: int) -> None:
        """A key of ours has signed for the order of this request."""
        self._signed[request_id] = Step(SIGN, began_ns, time_ns(), issuer_id)

    def called(self, intent_id: str, issuer_id: str, *, ended_ns: int, took_ns: int) -> None:
        """A CA outside has given its answer."""
        self._called[intent_id] = Step(CALL, ended_ns - took_ns, ended_ns, issuer_id)

    def committing(self, then: Callable[[int], None]) -> Callable[[int], None]:
        """``then`` hears how long each commit took, and so does this watch."""

        def committed(took_ns: int) -> None:
            now = time_ns()
            self._commit = Step(COMMIT, now - took_ns, now)
            then(took_ns)

        return committed

    def of_order(self, request_id: str, orders: int) -> Sequence[Step]:
        """What this turn did for one of its orders."""
        signed = self._signed.get(request_id)
        turn = Step(TURN, self._began_ns, time_ns(), "", orders)
        return [turn, *self._some(signed), *self._some(self._commit)]

    def of_command(self) -> Sequence[Step]:
        """What it did for its command."""
        return [Step(COMMAND, self._began_ns, time_ns()), *self._some(self._commit)]

    def of_call(self, intent_id: str) -> Sequence[Step]:
        """The call of a CA outside, once; nothing where there was none."""
        return [*self._some(self._called.pop(intent_id, None))]

    def forget_calls(self) -> None:
        """Those that nobody waits for any more."""
        self._called.clear()

    @staticmethod
    def _some(step: Step | None) -> Sequence[Step]:
        return () if step is None else (step,)
