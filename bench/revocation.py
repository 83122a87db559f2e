"""CRL and OCSP without a network: `python -m bench.revocation`, each part in a process of its own.

The CRL of a million entries, from the iterable to the signed octets: seconds and the peak
of resident memory. OCSP in one thread: from a request's octets (or a GET path) to the
octets of the answer, out of what is kept and signed anew.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.results import Fact, Goal, at_most
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import RevokedRow, pack
from certctl.domain.ocsp import Standing
from certctl.domain.revocation import RevocationReason
from certctl.issuers.ca_checks import name_der, public_key_der
from certctl.issuers.local import LocalCA
from certctl.issuers.local_files import make_certificate
from certctl.issuers.ocsp_answers import OcspAnswers
from certctl.issuers.responder import Responder
from certctl.issuers.signers.file import FileSigner, KeyType, make_key
from certctl.wire.crl import CrlFields, encode_pieces
from certctl.wire.crl_reader import TbsReader
from certctl.wire.der import SEQUENCE, encode
from certctl.wire.ocsp_request import OcspIssuer, request_of_path

ENTRIES = 1_000_000
NOW_US = 1_790_000_000 * SECOND_US
REASONS = tuple(reason.value for reason in RevocationReason)
ROUNDS = 3
"""The best of so many: the machine is not ours alone."""

QUESTIONS = 200_000
SIGNED = 5_000
MIB = 1 << 20


def main() -> int:
    """Run both parts; 0 when every goal is met."""
    if sys.argv[1:] == ["crl"]:
        return _print(*crl())
    if sys.argv[1:] == ["ocsp"]:
        return _print(*ocsp())
    parts = (
        subprocess.run([sys.executable, "-m", "bench.revocation", part], check=False)
        for part in ("crl", "ocsp")
    )
    return max(part.returncode for part in parts)


def crl() -> tuple[list[Fact], list[Goal]]:
    """Entries come packed, as they come out of a database."""
    issuer = _issuer()
    fields = CrlFields(number=2, this_update_us=NOW_US, next_update_us=NOW_US + DAY_US)
    before = _memory("VmHWM")
    block = pack(_entries())
    building = _seconds(lambda: sum(map(len, encode_pieces(issuer.crl_issuer, fields, [block]))))
    pieces = list(encode_pieces(issuer.crl_issuer, fields, [block]))
    size = sum(map(len, pieces))
    checking = _seconds(lambda: _feed(TbsReader(), pieces))
    signing = _seconds(lambda: _sign(issuer, pieces))
    facts = [
        Fact(name=f"CRL of {ENTRIES:,}: octets", value=f"{size / 1e6:.1f} MB"),
        Fact(name="CRL: what the signer checks", value=f"{checking:.2f} s"),
        Fact(name="CRL: checked, signed and sealed", value=f"{signing:.2f} s"),
        Fact(name="CRL: memory before it", value=f"{before / MIB:.0f} MiB"),
    ]
    name = f"CRL of {ENTRIES:,}"
    return facts, [
        at_most(f"{name}: encoded, checked and signed", building + signing, 1.0, " s"),
        at_most(f"{name}: peak memory, signed too", _memory("VmHWM") / MIB, 300, " MiB"),
    ]


def _feed(reader: TbsReader, pieces: list[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)


def _sign(issuer: LocalCA, pieces: list[bytes]) -> None:
    draft = issuer.begin_crl()
    for piece in pieces:
        draft = draft.fed(piece)
    draft.sign(last_number=1, now_us=NOW_US)


def ocsp() -> tuple[list[Fact], list[Goal]]:
    """One certificate asked about again and again, as a fleet's gateway does."""
    issuer = _issuer()
    certificate = x509.load_der_x509_certificate(issuer.ca_chain()[0])
    ours = OcspIssuer(issuer_der=name_der(certificate), spki_der=public_key_der(certificate))
    responder, _ = Responder.make(issuer, now_us=NOW_US, validity_us=30 * DAY_US)
    answers = OcspAnswers(ours, responder)
    serial = "41" + "5a" * 19
    request = ours.cert_ids(serial)[0]
    for _ in range(4):
        request = encode(SEQUENCE, request)
    path = quote(base64.b64encode(request), safe="").encode()

    def sign() -> bytes:
        question = answers.read(request)
        standings = {serial: Standing.GOOD}
        return answers.answer(question, standings, now_us=NOW_US, epoch=answers.epoch).der

    signed = SIGNED / _seconds(lambda: [sign() for _ in range(SIGNED)])

    def kept() -> None:
        for _ in range(QUESTIONS):
            assert answers.kept(request, now_us=NOW_US) is not None  # noqa: S101 - or no figure

    def kept_by_path() -> None:
        for _ in range(QUESTIONS):
            answers.kept(request_of_path(path), now_us=NOW_US)

    by_post, by_get = (_seconds(work) / QUESTIONS * 1e6 for work in (kept, kept_by_path))
    reading = _seconds(lambda: [answers.read(request) for _ in range(SIGNED)]) / SIGNED
    facts = [
        Fact(name="OCSP: read in full", value=f"{reading * 1e6:.1f} µs"),
        Fact(name="OCSP: read, signed and kept", value=f"{signed:,.0f}/s"),
        Fact(name="OCSP: kept, by GET path", value=f"{by_get:.2f} µs"),
    ]
    # A fiftieth of the time that 5,000 answers a second over HTTP leave for each.
    return facts, [at_most("OCSP: kept, by POST body", by_post, 4, " µs")]


def _entries() -> Iterator[RevokedRow]:
    for number in range(ENTRIES):
        # Every time another second, so that no luck with caches makes the figure.
        revoked_us = NOW_US - number * 31_234_567
        yield b"\x41" + number.to_bytes(19, "big"), revoked_us, REASONS[number % len(REASONS)]


def _issuer() -> LocalCA:
    key = make_key(KeyType.P256)
    certificate = make_certificate(key, "bench", NOW_US, lambda count: b"\x01" * count)
    return LocalCA(
        issuer_id="bench", signer=FileSigner(key), chain=[certificate.public_bytes(Encoding.DER)]
    )


def _seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _memory(row: str) -> int:
    """Octets, by the kernel's own books."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(row))


def _print(facts: list[Fact], goals: list[Goal]) -> int:
    for fact in facts:
        print(f"{fact.name:45} {fact.value}")
    for goal in goals:
        verdict = "met" if goal.met else "MISSED"
        print(f"{goal.name:45} {goal.measured} ({goal.wanted}, {verdict})")
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    raise SystemExit(main())
