"""Where a certificate says that its status is found: CDP, IDP and AIA with ``http`` URLs.

RFC 5280 §4.2.1.13, §4.2.2.1, §5.2.5. Only ``http://``: to fetch a CRL over TLS, its
reader would first need the status of the server's certificate (RFC 5280 §8).
"""

from __future__ import annotations

from dataclasses import dataclass

from certctl.wire.der import SEQUENCE, encode, encode_oid

_URI = 0x86
_DISTRIBUTION_POINT = _FULL_NAME = 0xA0

_OCSP = encode_oid("1.3.6.1.5.5.7.48.1")
_CA_ISSUERS = encode_oid("1.3.6.1.5.5.7.48.2")

MAX_URL = 1_024
"""Far above what is useful; a certificate travels in every handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointers:
    """URLs that an issuer writes into its certificates; None leaves one out.

    Attributes:
        crl_url: of the CRL (DER), for the CRL distribution points.
        freshest_url: of its delta CRL (DER), for FreshestCRL.
        ocsp_url: of the OCSP responder.
        ca_url: of the issuer's own certificate (DER).
        partition_urls: of the CRLs (DER) of partitions, by number. Where there are any, a
            certificate has one of them in place of ``crl_url`` and ``freshest_url``.
    """

    crl_url: str | None = None
    freshest_url: str | None = None
    ocsp_url: str | None = None
    ca_url: str | None = None
    partition_urls: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        in_partitions = (url for _, url in self.partition_urls)
        for url in (self.crl_url, self.freshest_url, self.ocsp_url, self.ca_url, *in_partitions):
            if url is not None:
                check_url(url)


NO_POINTERS = Pointers()


def check_url(url: str) -> None:
    """Refuse what must not stand in a certificate as a URL.

    Raises:
        ValueError: not ``http://`` with a host, not visible ASCII, or too long.
    """
    if not url.startswith("http://") or not url[7:].split("/", 1)[0]:
        raise ValueError(f"a pointer of a certificate begins with http:// and a host: {url!r}")
    if len(url) > MAX_URL or not all("!" <= character <= "~" for character in url):
        raise ValueError(f"not a URL of at most {MAX_URL} visible ASCII characters: {url!r}")


def encode_distribution_points(url: str) -> bytes:
    """Value of cRLDistributionPoints and freshestCRL: one point with one URL."""
    return encode(SEQUENCE, encode(SEQUENCE, encode_point_name(url)))


def encode_point_name(url: str) -> bytes:
    """The field ``distributionPoint`` of a CDP or an IDP: they must agree octet for octet."""
    return encode(_DISTRIBUTION_POINT, encode(_FULL_NAME, _uri(url)))


def encode_information_access(*, ocsp_url: str | None, ca_url: str | None) -> bytes:
    """Value of authorityInfoAccess; at least one of the two is given."""
    return encode(
        SEQUENCE,
        *(
            encode(SEQUENCE, method, _uri(url))
            for method, url in ((_OCSP, ocsp_url), (_CA_ISSUERS, ca_url))
            if url is not None
        ),
    )


def _uri(url: str) -> bytes:
    return encode(_URI, url.encode("ascii"))
