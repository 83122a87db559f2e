"""One write for one ``Idempotency-Key`` or form of the pages: its answer is kept with it.

Both are in the same transaction, so there is never a change without its answer, and two
that come at once cannot both be first, at two nodes neither.
"""

from __future__ import annotations

import msgspec

from certctl.authority.commands import CommandResult
from certctl.domain.errors import KeyReused
from certctl.domain.kept_answer import KEPT_US, KeptAnswer, Once
from certctl.domain.ports import Transaction

# Each write drops so many answers that nobody may ask for any more.
FORGOTTEN = 8

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[CommandResult] = msgspec.msgpack.Decoder(CommandResult)


def answered_before(once: Once, transaction: Transaction, now_us: int) -> CommandResult | None:
    """What the same write was answered with before; None: it is the first of its kind.

    Raises:
        KeyReused: another write was sent with this key.
    """
    kept = transaction.kept_answer(once.key, now_us)
    if kept is None:
        return None
    if kept.request != once.request:
        raise KeyReused
    return _decoder.decode(kept.result)


def keep(once: Once, result: CommandResult, transaction: Transaction, now_us: int) -> None:
    """Keep the answer of a write for a client that asks again.

    Raises:
        DuplicateKey: another node has just carried the same write out; try again.
    """
    transaction.forget_answers(now_us, FORGOTTEN)
    transaction.keep_answer(
        KeptAnswer(
            key=once.key,
            request=once.request,
            result=_encoder.encode(result),
            expires_us=now_us + KEPT_US,
        ),
        now_us,
    )
