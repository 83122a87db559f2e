"""CRLs inside a transaction: piece by piece in, checked as a whole, signed, published.

The jobs process encodes a TBSCertList and sends it in pieces. Each is read, hashed and
written in a transaction of some milliseconds, so that orders never wait for a whole list;
in the end only a digest is signed. Number and octets become the issuer's CRL with one
row: a run that is killed before leaves pieces that nobody serves, and the next run writes
over them (records §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from certctl.authority import leases
from certctl.authority.commands import (
    CrlCommand,
    CrlPartKept,
    CrlPartsDropped,
    CrlPublished,
    DropCrlParts,
    PutCrlPart,
    SignCrl,
)
from certctl.authority.done import Done
from certctl.domain.clock import SECOND_US
from certctl.domain.crl import (
    MAX_PARTS,
    PART_OCTETS,
    CrlRecord,
    SignedCrl,
    base_of,
    crl_scope,
)
from certctl.domain.crl_partitions import CrlPartition, published
from certctl.domain.errors import CrlRefused, LeaseLost
from certctl.domain.ports import CanSignCRL, CrlDraft, DuplicateKey, Transaction

LEASE_US = 30 * SECOND_US
"""A killed process keeps its lease for so long; its pieces prolong it."""

PROLONGED_US = 5 * SECOND_US
"""How much of it is over before a piece does: hundreds may come within a second."""

_JOB: Final = "crl-"

MOST_DROPPED = 2
"""Pieces removed in one transaction: to free the pages of one takes some milliseconds."""


def job_name(issuer_id: str) -> str:
    """The lease under which an issuer's CRLs are made."""
    return f"{_JOB}{issuer_id}"


def issuer_of(job: str) -> str | None:
    """The issuer whose CRLs a job makes; None: it makes none."""
    return job.removeprefix(_JOB) if job.startswith(_JOB) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """How far a CRL has come: its pieces before ``parts`` are durable, and read."""

    fence: int
    scope: str
    number: int
    parts: int
    draft: CrlDraft


class CrlDrafts:
    """CRLs on their way, one of each issuer at most; in memory, so a restart forgets them."""

    def __init__(self, signers: Mapping[str, CanSignCRL]) -> None:
        """``signers``: issuers by id that sign CRLs here."""
        self._signers = signers
        self._progress: dict[str, _Progress] = {}

    def before(self, command: PutCrlPart, scope: str) -> CrlDraft:
        """What a piece is added to.

        Raises:
            CrlRefused: ``issuer``, or the pieces before it did not come.
        """
        if command.part:
            return self.until(command, scope, command.part).draft
        signer = self._signers.get(command.issuer_id)
        if signer is None:
            raise CrlRefused(
                "issuer", wanted="an issuer that signs CRLs here", got=command.issuer_id
            )
        return signer.begin_crl()

    def until(self, command: PutCrlPart | SignCrl, scope: str, parts: int) -> _Progress:
        """What has come so far, which is so many pieces.

        Raises:
            CrlRefused: it is not.
        """
        found = self._progress.get(command.issuer_id)
        asked = (command.fence, scope, command.number)
        if found is None or (found.fence, found.scope, found.number) != asked:
            raise CrlRefused("malformed", wanted=f"{parts} parts before", got="none")
        if found.parts != parts:
            raise CrlRefused("malformed", wanted=f"{parts} parts before", got=str(found.parts))
        return found

    def keep(self, issuer_id: str, progress: _Progress | None) -> None:
        """From when the pieces are durable; None forgets them."""
        if progress is None:
            self._progress.pop(issuer_id, None)
        else:
            self._progress[issuer_id] = progress


def carry_out(
    command: CrlCommand,
    transaction: Transaction,
    drafts: CrlDrafts,
    now_us: int,
) -> Done:
    """Do what a command about an issuer's CRL says.

    Raises:
        LeaseLost: another node makes it by now.
        CrlRefused: it must not be kept or signed.
        IssuerUnavailable: the key cannot be used now.
    """
    match command:
        case PutCrlPart():
            return put_part(command, transaction, drafts, now_us)
        case SignCrl():
            return sign(command, transaction, drafts, now_us)
        case DropCrlParts():
            return drop_parts(command, transaction, now_us)


def put_part(command: PutCrlPart, transaction: Transaction, drafts: CrlDrafts, now_us: int) -> Done:
    """Read a piece of the next CRL and keep it.

    Raises:
        LeaseLost: another node makes it by now.
        CrlRefused: ``number`` (published already), ``size``, ``issuer``, ``partition`` or
            ``malformed``.
    """
    _hold(transaction, command.issuer_id, command.fence, now_us)
    scope = _scope(command, transaction)
    if command.part == 0:
        # The others are of the same fence and number (``until``), and signing asks again.
        _require_next(transaction, command, scope)
    if not 0 <= command.part < MAX_PARTS or not 0 < len(command.octets) <= PART_OCTETS:
        raise CrlRefused("size", wanted=f"{MAX_PARTS} parts of {PART_OCTETS} octets at most")
    progress = _Progress(
        fence=command.fence,
        scope=scope,
        number=command.number,
        parts=command.part + 1,
        draft=drafts.before(command, scope).fed(command.octets),
    )
    transaction.put_crl_part(scope, command.number, command.part, command.octets)
    # A piece that was not committed has not been read either: it may come again.
    return Done(result=CrlPartKept(), after=partial(drafts.keep, command.issuer_id, progress))


def sign(command: SignCrl, transaction: Transaction, drafts: CrlDrafts, now_us: int) -> Done:
    """Sign the pieces as one CRL and make it the issuer's.

    Raises:
        LeaseLost: another node makes it by now.
        CrlRefused: it must not be signed.
        IssuerUnavailable: the key cannot be used now.
    """
    issuer_id, number = command.issuer_id, command.number
    _hold(transaction, issuer_id, command.fence, now_us)
    scope = _scope(command, transaction)
    highest = _require_next(transaction, command, scope)
    draft = drafts.until(command, scope, command.parts).draft
    signed = draft.sign(last_number=highest, now_us=now_us)
    if signed.number != number:
        raise CrlRefused("number", wanted=str(number), got=str(signed.number))
    _require_scope(command, signed, transaction)
    seal = signed.seal
    last = transaction.crl(scope)
    before_us = last.scheduled_us if last else 0
    crl = CrlRecord(
        scope=scope,
        number=number,
        before=last.number if last else 0,
        this_update_us=signed.this_update_us,
        next_update_us=signed.next_update_us,
        scheduled_us=signed.this_update_us if command.scheduled else before_us,
        listed_us=before_us,
        stamp=command.stamp,
        seal=seal,
        parts=command.parts,
        size=len(seal.front) + signed.size + len(seal.back),
        digest=signed.digest,
    )
    try:
        transaction.publish_crl(crl)
    except DuplicateKey as err:
        # Not ours to try again: the other node's CRL is as good, the next run sees it.
        raise LeaseLost(job_name(issuer_id)) from err
    return Done(result=CrlPublished(crl), after=partial(drafts.keep, issuer_id, None))


def drop_parts(command: DropCrlParts, transaction: Transaction, now_us: int) -> Done:
    """Remove some pieces of CRLs that are not served any more.

    Raises:
        LeaseLost: another node does it by now.
    """
    _hold(transaction, command.issuer_id, command.fence, now_us)
    scope = _scope(command, transaction)
    last = transaction.crl(scope)
    # The one before stays: workers may be just copying it.
    below = last.before if last else 0
    dropped = transaction.drop_crl_parts(scope, below, MOST_DROPPED)
    return Done(result=CrlPartsDropped(more=dropped == MOST_DROPPED))


def _hold(transaction: Transaction, issuer_id: str, fence: int, now_us: int) -> None:
    lease = leases.require(transaction, job_name(issuer_id), fence)
    if lease.until_us < now_us + LEASE_US - PROLONGED_US:
        transaction.put_lease(replace(lease, until_us=now_us + LEASE_US))


def _scope(command: CrlCommand, transaction: Transaction) -> str:
    """What a command is about.

    Raises:
        CrlRefused: ``partition``.
    """
    if command.partition is None:
        return crl_scope(command.issuer_id, delta=command.delta)
    if command.delta or _partition(transaction, command.partition) is None:
        got = f"{command.partition}{' (delta)' if command.delta else ''}"
        raise CrlRefused("partition", wanted="one that is published here", got=got)
    return crl_scope(command.issuer_id, partition=command.partition)


def _partition(transaction: Transaction, number: int) -> CrlPartition | None:
    rows = published(transaction.crl_partitions())
    return next((each for each in rows if each.number == number), None)


def _require_next(transaction: Transaction, command: PutCrlPart | SignCrl, scope: str) -> int:
    """Gives the highest number so far. Full and delta CRLs share them (RFC 5280 §5.2.3); each
    partition has its own.
    """
    scopes = [scope]
    if command.partition is None:
        scopes = [crl_scope(command.issuer_id, delta=delta) for delta in (False, True)]
    found = map(transaction.crl, scopes)
    highest = max((each.number for each in found if each is not None), default=0)
    if command.number <= highest:
        raise CrlRefused("number", wanted=f"above {highest}", got=str(command.number))
    return highest


def _require_scope(command: SignCrl, signed: SignedCrl, transaction: Transaction) -> None:
    """Served as what it is not, it would let revoked certificates pass."""
    base = None
    if command.delta:
        full = transaction.crl(command.issuer_id)
        base = base_of(full)[0] if full else None
        if base is None or signed.base_number != base:
            raise CrlRefused(
                "malformed", wanted=f"a delta CRL of {base}", got=str(signed.base_number)
            )
    elif signed.base_number is not None:
        raise CrlRefused("malformed", wanted="no delta CRL", got=f"one of {signed.base_number}")
    url = None
    if command.partition is not None:
        row = _partition(transaction, command.partition)
        url = row.url(command.issuer_id) if row is not None else None
    # Octet for octet what the certificates of the partition name (RFC 5280 §6.3.3 (b)(2)).
    if signed.distribution_point != url:
        raise CrlRefused(
            "distribution_point",
            wanted=url or "none: a list of the whole issuer",
            got=signed.distribution_point or "none",
        )
