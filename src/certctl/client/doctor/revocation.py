"""CRL and OCSP: whether what the certificates point to can be had and is current.

The addresses come from the server's own certificates, so a bad server chooses whom this
machine asks: plain questions without credentials, and nothing of an answer is shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from certctl.client.doctor.report import Report
from certctl.client.failures import reason_of
from certctl.domain.plain_text import shown
from certctl.wire.unreadable import UNREADABLE

MAX_OCTETS = 32 * 1024 * 1024
MOST_ADDRESSES = 8


def check_revocation(
    certificates: Sequence[x509.Certificate],
    issuers: Sequence[x509.Certificate],
    now: dt.datetime,
    web: Web,
    report: Report,
) -> None:
    """Of the server's certificate and the CAs': each CRL, and OCSP for the first of them."""
    crls = list(dict.fromkeys(url for each in certificates for url in crl_urls(each)))
    for url in crls[:MOST_ADDRESSES]:
        _check_crl(url, certificates, now, web, report)
    if not crls:
        report.note("crl", "No certificate of the server names a CRL.")
    urls = list(ocsp_urls(certificates[0])) if certificates else []
    for url in urls[:MOST_ADDRESSES]:
        _check_ocsp(url, certificates[0], issuers, now, web, report)
    if not urls:
        report.note("ocsp", "The server's certificate names no OCSP responder.")


def _check_crl(
    url: str,
    certificates: Sequence[x509.Certificate],
    now: dt.datetime,
    web: Web,
    report: Report,
) -> None:
    if web.is_silent(url):
        report.skipped("crl", f"Not tried, since nobody answers there: {shown(url)}")
        return
    try:
        body = web.fetched("GET", url)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as err:
        report.found(
            "crl",
            "crl_unreachable",
            f"The CRL {shown(url)} cannot be fetched: {reason_of(err)}.",
            "Publish it there: who checks strictly refuses every certificate until then.",
        )
        return
    judge_crl(url, body, certificates, now, report)


def judge_crl(
    url: str,
    body: bytes,
    certificates: Sequence[x509.Certificate],
    now: dt.datetime,
    report: Report,
) -> None:
    """What came from the address of a CRL."""
    try:
        pem = body.lstrip()[:11] == b"-----BEGIN "
        crl = x509.load_pem_x509_crl(body) if pem else x509.load_der_x509_crl(body)
        next_update, issuer = crl.next_update_utc, crl.issuer
        point = _point(crl)
        revoked = [
            each
            for each in certificates
            if each.issuer == issuer
            and crl.get_revoked_certificate_by_serial_number(each.serial_number) is not None
        ]
    except UNREADABLE as err:
        report.found(
            "crl",
            "crl_malformed",
            f"What {shown(url)} gives is no CRL: {err}.",
            "Publish the CRL in DER (RFC 5280 §4.2.1.13).",
        )
        return
    if next_update is not None and next_update <= now:
        report.found(
            "crl",
            "crl_expired",
            f"The CRL {shown(url)} was to be replaced by {next_update:%Y-%m-%d %H:%M} UTC.",
            "Publish a current one: who checks strictly refuses every certificate until then.",
        )
        return
    for each in revoked:
        _found_revoked(each, report)
    if point is not None and url not in point:
        report.found(
            "crl",
            "crl_other_scope",
            f"The CRL {shown(url)} is for certificates that name another address"
            f"{': ' + shown(', '.join(point)) if point else ''}.",
            "Publish there the CRL whose issuing distribution point is that address (RFC 5280"
            " §6.3.3): readers do not take another for theirs.",
        )
        return
    part = "" if point is None else ", a partition's"
    report.good("crl", f"{shown(url)} is there and current{part}.")


def _point(crl: x509.CertificateRevocationList) -> list[str] | None:
    """URLs that the certificates have which a CRL is for (RFC 5280 §5.2.5); None: for all.

    Raises:
        ValueError, DuplicateExtension: it cannot be read.
    """
    try:
        found = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return None
    if found.full_name is None and found.relative_name is None:
        return None
    names = found.full_name or ()
    return [each.value for each in names if isinstance(each, x509.UniformResourceIdentifier)]


def _check_ocsp(
    url: str,
    leaf: x509.Certificate,
    issuers: Sequence[x509.Certificate],
    now: dt.datetime,
    web: Web,
    report: Report,
) -> None:
    if web.is_silent(url):
        report.skipped("ocsp", f"Not tried, since nobody answers there: {shown(url)}")
        return
    issuer = next((each for each in issuers if each.subject == leaf.issuer), None)
    if issuer is None:
        report.skipped("ocsp", f"{shown(url)}: the issuer's certificate is not at hand.")
        return
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()  # noqa: S303
    try:
        body = web.fetched("POST", url, request.public_bytes(Encoding.DER))
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as err:
        report.found(
            "ocsp",
            "ocsp_unreachable",
            f"The OCSP responder {shown(url)} does not answer: {reason_of(err)}.",
            "Have it run at that address, or issue certificates that do not name it.",
        )
        return
    judge_ocsp(url, body, leaf, now, report)


def judge_ocsp(
    url: str, body: bytes, leaf: x509.Certificate, now: dt.datetime, report: Report
) -> None:
    """What an OCSP responder has answered."""
    try:
        answer = ocsp.load_der_ocsp_response(body)
        good = answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
        status = answer.certificate_status if good else None
        next_update = answer.next_update_utc if good else None
    except UNREADABLE:
        good, status, next_update = False, None, None
    if not good or (next_update is not None and next_update <= now):
        report.found(
            "ocsp",
            "ocsp_bad_answer",
            f"What the OCSP responder {shown(url)} answers cannot be used, or is out of date.",
            "Mend the responder (RFC 6960).",
        )
    elif status is ocsp.OCSPCertStatus.REVOKED:
        _found_revoked(leaf, report)
    else:
        report.good("ocsp", f"{shown(url)} answers: {status.name.lower() if status else '-'}.")


def _found_revoked(certificate: x509.Certificate, report: Report) -> None:
    report.found(
        "revocation",
        "certificate_revoked",
        f"{shown(certificate.subject.rfc4514_string())} is revoked.",
        "Replace it, and find out why it was.",
    )


class Web:
    """Asks the addresses in certificates, and none again that said nothing in time."""

    def __init__(self, seconds: float, silent: Iterable[tuple[str, int]] = ()) -> None:
        """``silent``: hosts and ports that are known not to answer."""
        self._seconds = seconds
        self._silent: set[tuple[str, int] | None] = {*silent}

    def is_silent(self, url: str) -> bool:
        return _place(url) in self._silent

    def fetched(self, method: str, url: str, body: bytes = b"") -> bytes:
        """The body of a plain question, without credentials.

        Raises:
            httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError: there is none.
        """
        try:
            return _fetched(method, url, body, self._seconds)
        except httpx2.TimeoutException:
            if place := _place(url):
                self._silent.add(place)
            raise


def _place(url: str) -> tuple[str, int] | None:
    """Host and port; None where there is no telling."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def _fetched(method: str, url: str, body: bytes, seconds: float) -> bytes:
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("neither http nor https")
    headers = {"Content-Type": "application/ocsp-request"} if body else {}
    parts: list[bytes] = []
    size = 0
    with httpx2.stream(
        method,
        url,
        content=body or None,
        headers=headers,
        timeout=seconds,
        follow_redirects=False,
        trust_env=False,
    ) as answer:
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        for part in answer.iter_bytes():
            size += len(part)
            if size > MAX_OCTETS:
                raise ValueError("too long")
            parts.append(part)
    return b"".join(parts)


def crl_urls(certificate: x509.Certificate) -> Iterator[str]:
    """Of the CRL distribution points (RFC 5280 §4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier):
                yield name.value


def ocsp_urls(certificate: x509.Certificate) -> Iterator[str]:
    """Of the authority information access (RFC 5280 §4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return
    for each in access.value:
        if each.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            each.access_location, x509.UniformResourceIdentifier
        ):
            yield each.access_location.value
