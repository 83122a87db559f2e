"""What is published about certificates: CRLs and CA certificates; OCSP is in ``web.ocsp``.

Raw ASGI below ``/.well-known/pki/``, for everybody, on every listener (records §4). It
only reads; what it serves is signed or public anyway.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import crl_scope
from certctl.web.answers import Answer, Headers, send_answer
from certctl.web.conditional import Validators
from certctl.web.crl_shelf import CrlShelf, ShelvedCrl
from certctl.web.ocsp import OcspApp
from certctl.web.problems import TEXT

PREFIX: Final = b"/.well-known/pki/"
_OCSP: Final = PREFIX + b"ocsp/"
_NOTHING: Final = (
    b"Nothing is here.\nSee crl/ISSUER, crls/ISSUER.crl, ca/ISSUER.crt, ocsp/ISSUER.\n"
)

CRL_TYPE: Final = (b"Content-Type", b"application/pkix-crl")
CERTIFICATE_TYPE: Final = (b"Content-Type", b"application/pkix-cert")
PEM_TYPE: Final = (b"Content-Type", b"application/x-pem-file")

CRL_MAX_AGE_S: Final = 60
"""A cache on the way must not hide a revocation for as long as a CRL is valid."""

CA_MAX_AGE: Final = (b"Cache-Control", b"public, max-age=86400")

# Octets of one piece of an answer: a multiple of 48, of which PEM makes lines of 64.
PIECE: Final = 48 * 1_024

_BEGIN: Final = b"-----BEGIN X509 CRL-----\n"
_END: Final = b"-----END X509 CRL-----\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCa:
    """A CA certificate (DER), and since when it is valid (microseconds)."""

    der: bytes
    since_us: int


class PkiApp:
    """ASGI application for everything below ``/.well-known/pki/``."""

    def __init__(
        self,
        crls: CrlShelf,
        ocsp: OcspApp,
        *,
        with_delta: bool = False,
        clock: Clock,
    ) -> None:
        """Nothing is served before ``publish``; ``with_delta``: beside each CRL a delta CRL."""
        self._crls = crls
        self._ocsp = ocsp
        self._clock = clock
        self._with_delta = with_delta
        self._crl_paths: dict[bytes, str] = {}
        self._ca_paths: dict[bytes, PublishedCa] = {}

    def publish(
        self,
        cas: Mapping[str, PublishedCa],
        with_crl: Collection[str],
        partitions: Collection[int] = (),
    ) -> None:
        """These CAs from now on, by issuer id; ``with_crl``: those that have a CRL, or will
        have one any moment, and one of each of these ``partitions``.
        """
        self._crl_paths, self._ca_paths = {}, {}
        for issuer_id, ca in cas.items():
            name = issuer_id.encode("ascii")
            self._ca_paths[PREFIX + b"ca/" + name + b".crt"] = ca
            if issuer_id in with_crl:
                self._crl_paths[PREFIX + b"crl/" + name] = issuer_id
                self._crl_paths[PREFIX + b"crls/" + name + b".crl"] = issuer_id
                for number in partitions:
                    scope = crl_scope(issuer_id, partition=number)
                    self._crl_paths[PREFIX + b"crl/%b/%d" % (name, number)] = scope
                    self._crl_paths[PREFIX + b"crls/%b/%d.crl" % (name, number)] = scope
                if self._with_delta:
                    path = PREFIX + b"delta/" + name + b".crl"
                    self._crl_paths[path] = crl_scope(issuer_id, delta=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        if path.startswith(_OCSP):
            await self._ocsp(path[len(_OCSP) :], scope, receive, send)
            return
        scope_of, ca = self._crl_paths.get(path), self._ca_paths.get(path)
        if scope_of is None and ca is None:
            body = self._no_partition(path) or _NOTHING
            await send_answer(Answer(status=404, headers=(TEXT,), body=body), send)
        elif scope["method"] not in ("GET", "HEAD"):
            allow = (b"Allow", b"GET, HEAD")
            body = b"GET or HEAD only.\n"
            await send_answer(Answer(status=405, headers=(TEXT, allow), body=body), send)
        elif (pem := _wants_pem(scope)) is None:
            body = b"format is der or pem.\n"
            await send_answer(Answer(status=400, headers=(TEXT,), body=body), send)
        elif ca is not None:
            await send_answer(_ca_answer(ca, scope, pem=pem), send)
        elif scope_of is not None:
            await self._crl(scope_of, scope, send, pem=pem)

    def _no_partition(self, path: bytes) -> bytes | None:
        """What to say where a partition is asked for that an issuer does not have."""
        before, _, number = path.rpartition(b"/")
        if number.removesuffix(b".crl").isdigit() and before.startswith(PREFIX + b"crl"):
            whole = before if before in self._crl_paths else before + b".crl"
            if whole in self._crl_paths:
                return b"The CRL has no such partition.\nThe whole CRL is at %b.\n" % whole
        return None

    async def _crl(self, scope_of: str, scope: Scope, send: Send, *, pem: bool) -> None:
        crl = self._crls.find(scope_of)
        if crl is None:
            # At the very first start, for a second or two.
            retry = (b"Retry-After", b"2")
            body = b"The first CRL is being made.\n"
            await send_answer(Answer(status=503, headers=(TEXT, retry), body=body), send)
            return
        record = crl.record
        tag = record.digest.hex()[:32] + ("-pem" if pem else "")
        validators = Validators(etag=f'"{tag}"'.encode(), modified_us=record.this_update_us)
        left_s = (record.next_update_us - self._clock()) // SECOND_US
        age = b"public, max-age=%d" % max(0, min(CRL_MAX_AGE_S, left_s))
        common: Headers = (*validators.headers(), (b"Cache-Control", age))
        if validators.is_known(dict(scope["headers"])):
            await send_answer(Answer(status=304, headers=common), send)
            return
        length = _pem_length(record.size) if pem else record.size
        headers = [
            PEM_TYPE if pem else CRL_TYPE,
            (b"Content-Length", b"%d" % length),
            *common,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "GET":
            async for piece in _pieces(crl, pem=pem):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _pieces(crl: ShelvedCrl, *, pem: bool) -> AsyncIterator[bytes]:
    size = crl.record.size
    if not pem:
        for offset in range(0, size, PIECE):
            yield crl.octets.read(offset, PIECE)
        return
    yield _BEGIN
    for offset in range(0, size, PIECE):
        yield _pem_lines(crl.octets.read(offset, PIECE))
    yield _END


def _pem_lines(octets: bytes) -> bytes:
    text = base64.b64encode(octets)
    return b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))


def _pem_length(size: int) -> int:
    characters = (size + 2) // 3 * 4
    return len(_BEGIN) + characters + (characters + 63) // 64 + len(_END)


def _ca_answer(ca: PublishedCa, scope: Scope, *, pem: bool) -> Answer:
    body = _ca_pem(ca.der) if pem else ca.der
    tag = hashlib.sha256(body).hexdigest()[:32]
    validators = Validators(etag=f'"{tag}"'.encode(), modified_us=ca.since_us)
    common = (*validators.headers(), CA_MAX_AGE)
    if validators.is_known(dict(scope["headers"])):
        return Answer(status=304, headers=common)
    kind = PEM_TYPE if pem else CERTIFICATE_TYPE
    return Answer(status=200, headers=(kind, *common), body=body)


def _ca_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + _pem_lines(der) + b"-----END CERTIFICATE-----\n"


def _wants_pem(scope: Scope) -> bool | None:
    """None where ``format`` is something that there is not."""
    wanted = parse_qs(scope["query_string"]).get(b"format", [b"der"])
    if len(wanted) != 1 or wanted[0] not in (b"der", b"pem"):
        return None
    return bool(wanted[0] == b"pem")
