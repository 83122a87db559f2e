"""CRLs inside a transaction: piece by piece in, checked as a whole, signed, published.

The jobs process encodes a TBSCertList and sends it in pieces, each a transaction of some
milliseconds. What is signed is what stands in the store by then. Number and octets become
the issuer's CRL with one row: a run that is killed before leaves pieces that nobody
serves, and the next run writes over them (records §4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from certctl.authority import leases
from certctl.authority.commands import (
    CrlPartKept,
    CrlPartsDropped,
    CrlPublished,
    DropCrlParts,
    PutCrlPart,
    SignCrl,
)
from certctl.authority.done import Done
from certctl.domain.clock import SECOND_US
from certctl.domain.crl import MAX_PARTS, PART_OCTETS, CrlRecord
from certctl.domain.errors import CrlRefused, LeaseLost
from certctl.domain.ports import CanSignCRL, DuplicateKey, Transaction

LEASE_US = 30 * SECOND_US
"""A killed process keeps its lease for so long; each piece prolongs it."""

KEPT = 1
"""CRLs kept before the newest one: workers may be just copying it."""

MOST_DROPPED = 8
"""Pieces removed in one transaction."""


def job_name(issuer_id: str) -> str:
    """The lease under which an issuer's CRLs are made."""
    return f"crl-{issuer_id}"


def carry_out(
    command: PutCrlPart | SignCrl | DropCrlParts,
    transaction: Transaction,
    signers: Mapping[str, CanSignCRL],
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
            return put_part(command, transaction, now_us)
        case SignCrl():
            return sign(command, transaction, signers, now_us)
        case DropCrlParts():
            return drop_parts(command, transaction, now_us)


def put_part(command: PutCrlPart, transaction: Transaction, now_us: int) -> Done:
    """Keep a piece of the next CRL.

    Raises:
        LeaseLost: another node makes it by now.
        CrlRefused: ``number`` (published already) or ``size``.
    """
    _hold(transaction, command.issuer_id, command.fence, now_us)
    _require_next(transaction.crl(command.issuer_id), command.number)
    if not 0 <= command.part < MAX_PARTS or not 0 < len(command.octets) <= PART_OCTETS:
        raise CrlRefused("size", wanted=f"{MAX_PARTS} parts of {PART_OCTETS} octets at most")
    transaction.put_crl_part(command.issuer_id, command.number, command.part, command.octets)
    return Done(result=CrlPartKept())


def sign(
    command: SignCrl, transaction: Transaction, signers: Mapping[str, CanSignCRL], now_us: int
) -> Done:
    """Sign the pieces as one CRL and make it the issuer's.

    Raises:
        LeaseLost: another node makes it by now.
        CrlRefused: it must not be signed.
        IssuerUnavailable: the key cannot be used now.
    """
    issuer_id, number = command.issuer_id, command.number
    _hold(transaction, issuer_id, command.fence, now_us)
    last = transaction.crl(issuer_id)
    _require_next(last, number)
    signer = signers.get(issuer_id)
    if signer is None:
        raise CrlRefused("issuer", wanted="an issuer that signs CRLs here", got=issuer_id)
    parts = transaction.crl_parts(issuer_id, number, command.parts)
    if len(parts) != command.parts:
        raise CrlRefused("malformed", wanted=f"{command.parts} parts", got=str(len(parts)))
    tbs = b"".join(parts)
    del parts
    signed = signer.sign_crl(tbs, last_number=last.number if last else 0, now_us=now_us)
    if signed.number != number:
        raise CrlRefused("number", wanted=str(number), got=str(signed.number))
    if not signed.whole:
        # Served as the CRL, it would let revoked certificates pass.
        raise CrlRefused("malformed", wanted="a list of the whole issuer", got="a part of it")
    seal = signed.seal
    digest = hashlib.sha256(seal.front)
    digest.update(tbs)
    digest.update(seal.back)
    before_us = last.scheduled_us if last else 0
    crl = CrlRecord(
        issuer_id=issuer_id,
        number=number,
        this_update_us=signed.this_update_us,
        next_update_us=signed.next_update_us,
        scheduled_us=signed.this_update_us if command.scheduled else before_us,
        stamp=command.stamp,
        seal=seal,
        parts=command.parts,
        size=len(seal.front) + len(tbs) + len(seal.back),
        digest=digest.digest(),
    )
    try:
        transaction.publish_crl(crl)
    except DuplicateKey as err:
        # Not ours to try again: the other node's CRL is as good, the next run sees it.
        raise LeaseLost(job_name(issuer_id)) from err
    return Done(result=CrlPublished(crl))


def drop_parts(command: DropCrlParts, transaction: Transaction, now_us: int) -> Done:
    """Remove some pieces of CRLs that are not served any more.

    Raises:
        LeaseLost: another node does it by now.
    """
    _hold(transaction, command.issuer_id, command.fence, now_us)
    last = transaction.crl(command.issuer_id)
    below = last.number - KEPT if last else 0
    dropped = transaction.drop_crl_parts(command.issuer_id, below, MOST_DROPPED)
    return Done(result=CrlPartsDropped(more=dropped == MOST_DROPPED))


def _hold(transaction: Transaction, issuer_id: str, fence: int, now_us: int) -> None:
    lease = leases.require(transaction, job_name(issuer_id), fence)
    transaction.put_lease(replace(lease, until_us=now_us + LEASE_US))


def _require_next(last: CrlRecord | None, number: int) -> None:
    if last is not None and number <= last.number:
        raise CrlRefused("number", wanted=f"above {last.number}", got=str(number))
