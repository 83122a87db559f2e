"""The auditor's proof: walk every chain and every checkpoint, name the first bad one.

Works on what it is handed, from a database or from an exported file, and needs neither
the server nor any private key. A row that was changed, removed, inserted or moved breaks
its node's chain; a whole chain rewritten to the end breaks the next checkpoint; a
checkpoint rewritten has no good signature; one removed leaves a gap; a tail cut off is
found against a checkpoint that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from certctl.authority.audit import GENESIS, event_digest
from certctl.domain.audit import AuditAction, RecordedEvent
from certctl.domain.checkpoint import GENESIS as FIRST_PREVIOUS
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.retention import AuditStub


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(Exception):
    """The first thing that does not fit: ``where`` names it, ``what`` says why."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was verified. ``unsealed`` events came after the last checkpoint, ``dropped``
    ones were dropped by retention.
    """

    events: int
    checkpoints: int
    unsealed: int
    dropped: int
    last: Checkpoint | None


Place = tuple[str, int, bytes]
"""An event by node, seq and digest."""

Keys = Mapping[str, Ed25519PublicKey]
"""Public keys that may sign checkpoints, by key id."""


def verify(
    checkpoints: Iterable[Checkpoint],
    events: Iterable[RecordedEvent],
    *,
    keys: Keys,
    kept: Sequence[Checkpoint] = (),
    stubs: Iterable[AuditStub] = (),
    tail: Iterable[Place] = (),
) -> Proof:
    """Verify a whole audit trail.

    Args:
        checkpoints: in order of number.
        events: in order of (node, seq).
        keys: the keys that are believed.
        kept: checkpoints from outside (the copy in a file or syslog); each must be there.
        tail: events from outside that no checkpoint from there seals; each must be there.
        stubs: what stands where retention dropped events, in order of (node, first_seq).

    Raises:
        Broken: names the first checkpoint or event that does not fit.
    """
    sealed = _Seals()
    for checkpoint in checkpoints:
        sealed.add(checkpoint, keys)
    for stub in stubs:
        sealed.drop(stub, keys)
    walk = _Walk(sealed, tail)
    for recorded in events:
        walk.step(recorded)
    walk.end()
    for outside in kept:
        sealed.require(outside, walk.restored)
    walk.require_tail()
    return Proof(
        events=walk.count,
        checkpoints=len(sealed.digests),
        unsealed=walk.unsealed,
        dropped=sum(stub.last_seq for stub in sealed.dropped.values()),
        last=sealed.last,
    )


def verify_segment(
    events: Iterable[RecordedEvent],
    checkpoint: Checkpoint,
    head: ChainHead,
    before: AuditStub | None,
) -> None:
    """Events of one node, from behind the stub ``before`` up to the ``head`` that
    ``checkpoint`` sealed: all of them, and as they were sealed.

    Raises:
        Broken: names the first event that does not fit.
    """
    sealed = _Seals()
    sealed.wanted[head.node, head.seq] = (head.digest, checkpoint.number)
    sealed.final[head.node] = head.seq
    if before is not None:
        sealed.dropped[head.node] = before
    walk = _Walk(sealed, ())
    for recorded in events:
        walk.step(recorded)
    walk.end()


class _Seals:
    """The chain of checkpoints, and which digest each sealed event must have."""

    def __init__(self) -> None:
        self.last: Checkpoint | None = None
        self.digests: list[bytes] = []
        self.wanted: dict[tuple[str, int], tuple[bytes, int]] = {}
        self.final: dict[str, int] = {}
        self.dropped: dict[str, AuditStub] = {}

    def add(self, checkpoint: Checkpoint, keys: Keys) -> None:
        where = f"checkpoint {checkpoint.number}"
        if checkpoint.number != len(self.digests) + 1:
            raise Broken(where=f"checkpoint {len(self.digests) + 1}", what="is missing")
        if checkpoint.previous != (self.digests[-1] if self.digests else FIRST_PREVIOUS):
            raise Broken(where=where, what="does not follow the checkpoint before it")
        key = keys.get(checkpoint.key_id)
        if key is None:
            raise Broken(where=where, what=f"is signed by an unknown key {checkpoint.key_id}")
        _require_signature(key, checkpoint.signature, checkpoint.signed_octets(), where)
        for head in checkpoint.heads:
            if head.seq < self.final.get(head.node, 0):
                raise Broken(where=where, what=f"goes back on node {head.node}")
            self.final[head.node] = head.seq
            self.wanted[head.node, head.seq] = (head.digest, checkpoint.number)
        self.digests.append(checkpoint.digest())
        self.last = checkpoint

    def drop(self, stub: AuditStub, keys: Keys) -> None:
        """A stub counts only where a seal had been, and right after the one before."""
        where = f"stub {stub.node}/{stub.first_seq}-{stub.last_seq}"
        key = keys.get(stub.key_id)
        if key is None:
            raise Broken(where=where, what=f"is signed by an unknown key {stub.key_id}")
        _require_signature(key, stub.signature, stub.signed_octets(), where)
        before = self.dropped.get(stub.node)
        if stub.first_seq != (before.last_seq + 1 if before else 1):
            raise Broken(where=where, what="does not follow the stub before it")
        if self.wanted.get((stub.node, stub.last_seq)) is None:
            raise Broken(where=where, what="does not end where a checkpoint sealed")
        if self.wanted[stub.node, stub.last_seq][0] != stub.digest:
            raise Broken(where=where, what="does not end with the event that was sealed")
        self.dropped[stub.node] = stub

    def require(self, outside: Checkpoint, restored: str) -> None:
        where = f"checkpoint {outside.number}"
        if not 1 <= outside.number <= len(self.digests):
            what = f"was kept elsewhere and is missing here{restored}"
            raise Broken(where=where, what=what)
        if self.digests[outside.number - 1] != outside.digest():
            what = f"differs from the copy that was kept elsewhere{restored}"
            raise Broken(where=where, what=what)


class _Walk:
    """One pass over the events, node after node."""

    def __init__(self, sealed: _Seals, tail: Iterable[Place]) -> None:
        self._sealed = sealed
        self._tail = set(tail)
        self.restored = ""
        self._node = ""
        self._seq = 0
        self._digest = GENESIS
        self._open = set(sealed.final)
        self.count = 0
        self.unsealed = 0

    def step(self, recorded: RecordedEvent) -> None:
        if recorded.node != self._node or self.count == 0:
            self._leave()
            stub = self._sealed.dropped.get(recorded.node)
            self._node = recorded.node
            self._seq, self._digest = (stub.last_seq, stub.digest) if stub else (0, GENESIS)
        where = f"event {recorded.node}/{recorded.seq}"
        if recorded.seq <= self._seq and self._is_dropped(recorded):
            raise Broken(where=where, what="is there, although retention has dropped it")
        if recorded.seq != self._seq + 1:
            missing = f"event {recorded.node}/{self._seq + 1}"
            raise Broken(where=missing, what="is missing")
        if recorded.previous_digest != self._digest:
            raise Broken(where=where, what="does not follow the event before it")
        digest = event_digest(
            self._digest, recorded.id, recorded.node, recorded.seq, recorded.event
        )
        if recorded.digest != digest:
            raise Broken(where=where, what="was changed: its digest does not fit its content")
        wanted = self._sealed.wanted.get((recorded.node, recorded.seq))
        if wanted is not None and wanted[0] != digest:
            raise Broken(where=where, what=f"is not the event that checkpoint {wanted[1]} sealed")
        self._seq, self._digest = recorded.seq, digest
        self._tail.discard((recorded.node, recorded.seq, digest))
        if recorded.event.action is AuditAction.BACKUP_RESTORED:
            self.restored = f"; a backup was restored here, see {where}"
        self.count += 1
        self.unsealed += recorded.seq > self._sealed.final.get(recorded.node, 0)

    def require_tail(self) -> None:
        """Events that were copied after the last seal that was copied with them."""
        dropped = self._sealed.dropped
        left = [
            (node, seq)
            for node, seq, _ in self._tail
            if node not in dropped or seq > dropped[node].last_seq
        ]
        if left:
            node, seq = min(left)
            what = f"was kept elsewhere and is missing here, or differs{self.restored}"
            raise Broken(where=f"event {node}/{seq}", what=what)

    def _is_dropped(self, recorded: RecordedEvent) -> bool:
        stub = self._sealed.dropped.get(recorded.node)
        return stub is not None and recorded.seq <= stub.last_seq

    def end(self) -> None:
        self._leave()
        if self._open:
            node = min(self._open)
            stub = self._sealed.dropped.get(node)
            first = stub.last_seq + 1 if stub else 1
            what = "is missing, and the whole chain with it"
            raise Broken(where=f"event {node}/{first}", what=what)

    def _leave(self) -> None:
        """A chain must reach as far as it was sealed."""
        if self.count == 0:
            return
        self._open.discard(self._node)
        final = self._sealed.final.get(self._node, 0)
        if self._seq < final:
            raise Broken(
                where=f"event {self._node}/{self._seq + 1}", what=f"is missing, up to {final}"
            )


def _require_signature(key: Ed25519PublicKey, signature: bytes, signed: bytes, where: str) -> None:
    try:
        key.verify(signature, signed)
    except InvalidSignature as err:
        raise Broken(where=where, what="its signature does not hold") from err
