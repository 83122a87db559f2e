"""A script as issuer: the operator's program has the certificate made (issuers §4).

One run per call, JSON on its standard input, PEM on its standard output. Its exit code
is its word: 0 done, ``NO`` refused, ``LATER`` nothing done and to be tried again. Every
other end, and every silence, means that a certificate may exist.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import (
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
)
from certctl.domain.order import Order
from certctl.domain.plain_text import shown
from certctl.domain.ports import Terms
from certctl.domain.revocation import RevocationReason
from certctl.domain.stored_issuers import Trial
from certctl.issuers.program import NotRun, Overstayed, Ran, run_program
from certctl.issuers.trial import validity_fault
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.unreadable import UNREADABLE, quiet

NO = 77
"""EX_NOPERM of sysexits.h: the CA refuses; the first line of stderr says why."""

LATER = 75
"""EX_TEMPFAIL of sysexits.h: nothing was issued; the device shall ask again."""

RETRY_SECONDS = 30

TRIAL_US = 8 * SECOND_US
"""Whoever waits for a trial does so at a screen."""

LOOKED = (
    "looked at its SIGN program and its chain; without a FIND program the CA cannot be asked"
    " without having it issue"
)
ASKED = "asked its FIND program about a call that never was"

_MARK = b"-----BEGIN CERTIFICATE-----"

Value = str | int | bool | list[str]


class ScriptCA:
    """``ports.OutsideIssuer`` over a ``sign`` program; safe to use from several threads."""

    def __init__(
        self,
        *,
        issuer_id: str,
        sign: Path,
        chain: tuple[bytes, ...],
        time_limit_us: int,
        lifetime_us: int,
    ) -> None:
        """``chain`` is DER from the issuing CA up to its root."""
        self.issuer_id = issuer_id
        self.time_limit_us = time_limit_us
        self.lifetime_us = lifetime_us
        self._sign = sign
        self._chain = chain

    def ca_chain(self) -> tuple[bytes, ...]:
        return self._chain

    def issue(self, order: Order, terms: Terms, *, request_id: str, now_us: int) -> bytes:
        """See ``ports.OutsideIssuer.issue``."""
        asked = _asked(order, terms, request_id=request_id, now_us=now_us)
        ran = self.run(self._sign, asked)
        if ran.code == NO:
            raise IssuerRefused(_first_line(ran.complaint))
        if ran.code == LATER:
            raise IssuerUnavailable(self._name, retry_after=RETRY_SECONDS)
        if ran.code != 0:
            raise IssuerSilent(_ended(self._name, ran), retry_after=RETRY_SECONDS)
        return _one_certificate(ran.output)

    def trial(self, *, now_us: int) -> Trial:
        """See ``ports.CanTry``: nothing can be asked of the CA without having it issue."""
        problem, remedy = validity_fault(self._chain, now_us)
        if not os.access(self._sign, os.X_OK):
            problem = f"the program {self._sign.name} is not there, or not executable"
            remedy = "put it back; CERTCTL_ISSUER_…_SIGN names it"
        return Trial(tried=LOOKED, chain=self._chain, problem=problem, remedy=remedy)

    def run(self, program: Path, asked: Mapping[str, Value], *, limit_us: int | None = None) -> Ran:
        """Run one of the issuer's programs; ``limit_us`` where less than its time is enough.

        Raises:
            IssuerUnavailable: it did not run.
            IssuerSilent: it was killed after its time limit.
            IssuerMisbehaved: it was killed for its flood of output.
        """
        given = json.dumps(asked, ensure_ascii=False).encode() + b"\n"
        try:
            return run_program(program, given, seconds=(limit_us or self.time_limit_us) / SECOND_US)
        except NotRun as err:
            raise IssuerUnavailable(
                f"{self._name}: {program.name}: {err}", retry_after=RETRY_SECONDS
            ) from err
        except Overstayed as err:
            if err.what == "output":
                raise IssuerMisbehaved("the program's output is too long") from err
            raise IssuerSilent(
                f"{self._name}: {program.name} did not end in time", retry_after=RETRY_SECONDS
            ) from err

    @property
    def _name(self) -> str:
        return f"issuer {self.issuer_id}"


class Finding(ScriptCA):
    """With a ``find`` program: it can tell what became of a call (``ports.CanFind``)."""

    find_program: Path

    def find(self, request_id: str) -> bytes | None:
        """See ``ports.CanFind.find``; no output at all means that there is none."""
        return self._find(request_id)

    def trial(self, *, now_us: int) -> Trial:
        """See ``ports.CanTry``: asked for a call that never was, it has to say so."""
        found = super().trial(now_us=now_us)
        if found.problem:
            return found
        problem = remedy = ""
        limit_us = min(self.time_limit_us, TRIAL_US)
        try:
            if self._find(f"trial-{secrets.token_hex(16)}", limit_us=limit_us) is not None:
                problem = "its FIND program answers with a certificate for a call that never was"
                remedy = "have it print nothing where the request id is not known"
        except (IssuerUnavailable, IssuerSilent) as err:
            problem, remedy = shown(err.what), "run its FIND program by hand, as the server's user"
        except IssuerMisbehaved as err:
            problem, remedy = shown(err.note), "run its FIND program by hand, as the server's user"
        return Trial(tried=ASKED, chain=found.chain, problem=problem, remedy=remedy)

    def _find(self, request_id: str, *, limit_us: int | None = None) -> bytes | None:
        ran = self.run(self.find_program, {"request_id": request_id}, limit_us=limit_us)
        if ran.code != 0:
            raise IssuerUnavailable(_ended(self._name, ran), retry_after=RETRY_SECONDS)
        return _one_certificate(ran.output) if ran.output.strip() else None


class Revoking(ScriptCA):
    """With a ``revoke`` program: it takes revocations (``ports.CanRevoke``)."""

    revoke_program: Path

    def revoke(self, der: bytes, *, reason: RevocationReason, request_id: str) -> None:
        """See ``ports.CanRevoke.revoke``."""
        serial = x509.load_der_x509_certificate(der).serial_number
        asked: dict[str, Value] = {
            "request_id": request_id,
            "serial": f"{serial:x}",
            "reason": reason.value,
            "certificate": DER_cert_to_PEM_cert(der),
        }
        ran = self.run(self.revoke_program, asked)
        if ran.code != 0:
            raise IssuerUnavailable(_ended(self._name, ran), retry_after=RETRY_SECONDS)


class FindingAndRevoking(Finding, Revoking):
    """With both."""


def open_script(
    *,
    issuer_id: str,
    sign: Path,
    find: Path | None,
    revoke: Path | None,
    chain: tuple[bytes, ...],
    time_limit_us: int,
    lifetime_us: int,
) -> ScriptCA:
    """The issuer with the powers that its programs give it."""
    kinds: dict[tuple[bool, bool], type[ScriptCA]] = {
        (False, False): ScriptCA,
        (True, False): Finding,
        (False, True): Revoking,
        (True, True): FindingAndRevoking,
    }
    issuer = kinds[find is not None, revoke is not None](
        issuer_id=issuer_id,
        sign=sign,
        chain=chain,
        time_limit_us=time_limit_us,
        lifetime_us=lifetime_us,
    )
    if isinstance(issuer, Finding) and find is not None:
        issuer.find_program = find
    if isinstance(issuer, Revoking) and revoke is not None:
        issuer.revoke_program = revoke
    return issuer


def _asked(order: Order, terms: Terms, *, request_id: str, now_us: int) -> dict[str, Value]:
    """What the program is given; names are documented in docs/how-to/script-issuer.md."""
    csr_pem = DER_cert_to_PEM_cert(order.csr_der).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    sans = decode_general_names(order.san_der) if order.san_der else ()
    return {
        "request_id": request_id,
        "csr": csr_pem,
        "csr_as_sent": hashlib.sha256(order.csr_der).digest() == order.csr_sha256,
        "public_key": _pem("PUBLIC KEY", order.spki_der),
        "subject": decode_name(order.subject_der).text(),
        "sans": [str(each) for each in sans],
        "ekus": list(terms.ekus),
        "key_agreement": order.key_agreement,
        "must_staple": terms.must_staple,
        "not_before": _time(now_us - terms.backdate_us),
        "not_after": _time(now_us + terms.lifetime_us),
        "validity_seconds": terms.lifetime_us // SECOND_US,
    }


def _pem(label: str, der: bytes) -> str:
    return DER_cert_to_PEM_cert(der).replace("CERTIFICATE", label)


def _time(time_us: int) -> str:
    """As ASN.1 GeneralizedTime and ``openssl ca -enddate`` write it."""
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y%m%d%H%M%SZ}"


def _one_certificate(output: bytes) -> bytes:
    """The certificate (DER) among what was printed: exactly one.

    Raises:
        IssuerMisbehaved: none, several, or one that does not parse.
    """
    number = output.count(_MARK)
    if number != 1:
        raise IssuerMisbehaved(f"the program printed {number} certificates, not one")
    try:
        with quiet():
            certificate = x509.load_pem_x509_certificate(output[output.index(_MARK) :])
    except UNREADABLE as err:
        raise IssuerMisbehaved("what the program printed is no certificate") from err
    return certificate.public_bytes(Encoding.DER)


def _ended(name: str, ran: Ran) -> str:
    said = _first_line(ran.complaint)
    return f"{name}: the program ended with exit code {ran.code}" + (f": {said}" if said else "")


def _first_line(complaint: bytes) -> str:
    text = complaint.decode("utf-8", "replace").strip()
    return shown(text.splitlines()[0].strip()) if text else ""
