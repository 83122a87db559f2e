"""Writes ``corpus/`` anew: ``python -m tests.fuzz.make_corpus``. Needs the openssl program.

The seeds are committed, because keys and signatures differ each time. Run it after
adding a kind of seed; what fuzzing found lies in ``found/`` and is not touched.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certctl.domain.crl import CODES
from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.wire.crl import CrlFields, CrlIssuer, encode_tbs
from certctl.wire.csrattrs import encode_csrattrs
from certctl.wire.der import encode, encode_oid, expect
from certctl.wire.pkcs10 import decode_pkcs10
from tests.fuzz import corpus_texts, hierarchy, laws_status
from tests.unit.trust.pki import FOREVER, NOW, Held, make, make_ca, name, usage
from tests.unit.wire import forge
from tests.unit.wire.openssl import make_request

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

DAY = timedelta(days=1)
EKU = x509.ExtendedKeyUsage
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

ALL_SANS = x509.SubjectAlternativeName(
    [
        x509.DNSName("device-1.example.com"),
        x509.DNSName("xn--80ak6aa92e.com"),
        x509.RFC822Name("device@example.com"),
        x509.UniformResourceIdentifier("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        x509.IPAddress(ip_address("192.0.2.7")),
        x509.IPAddress(ip_address("2001:db8::7")),
        x509.DirectoryName(name("in a name")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(
            x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), encode(0x0C, b"device@realm")
        ),
        x509.OtherName(
            x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"),
            encode(0x30, encode_oid("1.2.3"), encode(0x04, b"4711")),
        ),
    ]
)


def main() -> None:
    shutil.rmtree(CORPUS, ignore_errors=True)
    requests = _requests()
    for label, der in requests.items():
        _write("csr", label, der)
    _parts_of_requests(requests)
    _names()
    _bodies(requests)
    _small_texts()
    _csrattrs()
    _connections()
    _chains()
    _signed_contents()
    _crls()
    _ocsp_requests()
    corpus_texts.write_all(_write, CORPUS)


def _crls() -> None:
    now_us = int(NOW.timestamp()) * 1_000_000
    issuer = CrlIssuer(
        algorithm_der=laws_status.ALGORITHM,
        issuer_der=laws_status.ISSUER,
        key_identifier=b"k" * 20,
    )
    serials = [b"\x41" + bytes(19), b"\x7f", b"\xff" * 20]
    moments = [0, now_us, now_us * 2]
    url = "http://pki.example/a.crl"
    for label, reasons, more in (
        ("empty", [], {}),
        ("entries", list(CODES)[:3], {}),
        ("delta", ["removeFromCRL"] * 3, {"base_number": 3, "distribution_point": url}),
        ("partition", ["superseded"] * 3, {"distribution_point": url, "freshest_url": url}),
    ):
        settings: dict[str, Any] = {"this_update_us": now_us, "next_update_us": now_us * 2}
        entries = list(zip(serials, moments, reasons, strict=False))
        fields = CrlFields(number=5, **settings, **more)
        _write("crl", label, encode_tbs(issuer, fields, entries))


def _ocsp_requests() -> None:
    issuer = make_ca("ocsp")
    for label, digest, nonce in (
        ("sha1", hashes.SHA1(), b""),  # noqa: S303 - names a certificate
        ("sha256", hashes.SHA256(), b""),
        ("nonce", hashes.SHA256(), b"n" * 32),
        ("long-nonce", hashes.SHA256(), b"n" * 129),
    ):
        builder = ocsp.OCSPRequestBuilder().add_certificate(
            issuer.certificate, issuer.certificate, digest
        )
        if nonce:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        der = builder.build().public_bytes(Encoding.DER)
        _write("ocsp_request", label, der)
        _write("ocsp_path", label, quote(base64.b64encode(der)).encode())
    single = expect(der, *expect(der, *expect(der, 0, len(der), 0x30), 0x30), 0x30)
    one = der[single[0] : single[1]]
    listed = encode(0x30, one, one)
    requestor = bytes.fromhex("a003020100 a104 8202 6d65")
    _write("ocsp_request", "two", encode(0x30, encode(0x30, listed)))
    signed = encode(0xA0, encode(0x30, laws_status.ALGORITHM, b"\x03\x01\x00"))
    _write("ocsp_request", "signed", encode(0x30, encode(0x30, requestor, listed), signed))
    _write("ocsp_path", "serial", b"0041abCD")


def _write(folder: str, label: str, data: bytes) -> None:
    path = CORPUS / folder / label
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _csr(key: Any, digest: Any = None, **sign: Any) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Ä"),
                x509.NameAttribute(NameOID.COMMON_NAME, "device-1"),
            ]
        )
    )
    return builder.sign(key, digest, **sign).public_bytes(Encoding.DER)


def _requests() -> dict[str, bytes]:
    sha256 = hashes.SHA256()
    rsa_key = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(sha256), padding.PSS.DIGEST_LENGTH)
    found = {
        "p256": _csr(ec.generate_private_key(ec.SECP256R1()), sha256),
        "p384": _csr(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        "p521": _csr(ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
        "k1": _csr(ec.generate_private_key(ec.SECP256K1()), sha256),
        "rsa-2048": _csr(rsa_key, sha256),
        "rsa-1024": _csr(rsa.generate_private_key(65537, 1024), sha256),  # noqa: S505
        "rsa-pss": _csr(rsa_key, sha256, rsa_padding=pss),
        "p256-sha3": _csr(ec.generate_private_key(ec.SECP256R1()), hashes.SHA3_256()),
        "ed25519": _csr(ed25519.Ed25519PrivateKey.generate()),
        "ed448": _csr(ed448.Ed448PrivateKey.generate()),
        "ml-dsa-44": _csr(mldsa.MLDSA44PrivateKey.generate()),
        "ml-dsa-65": _csr(mldsa.MLDSA65PrivateKey.generate()),
        "ml-dsa-87": _csr(mldsa.MLDSA87PrivateKey.generate()),
    }
    ask = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name("device-1"))
        .add_extension(ALL_SANS, critical=False)
        .add_extension(EKU([CLIENT, SERVER]), critical=True)
        .add_extension(usage(digital_signature=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_attribute(x509.ObjectIdentifier(forge.CHALLENGE), b"dGxzLWV4cG9ydGVy")
    )
    found["everything"] = ask.sign(ec.generate_private_key(ec.SECP256R1()), sha256).public_bytes(
        Encoding.DER
    )
    allowed = [
        forge.dns("a.example.com"),
        encode(0x87, b"\x0a\x00\x00\x01"),
        encode(0x81, b"device@example.com"),
        encode(0x86, b"urn:dev:mac:0024befffe804ff1"),
    ]
    binding = forge.attribute(forge.LINKING, encode(0x0C, base64.b64encode(b"\x01" * 32)))
    otp = forge.attribute("1.2.840.113549.1.9.16.2.56", encode(0x04, b"\x02" * 32))
    multi = encode(
        0x30,
        encode(
            0x31,
            *sorted(
                [
                    forge.attribute_value(forge.CN, "device-1"),
                    forge.attribute_value("2.5.4.5", "4711", forge.PRINTABLE),
                ]
            ),
        ),
    )
    found |= {
        "allowed-sans": forge.request(
            forge.extensions(forge.sans(*allowed), forge.eku(forge.CLIENT_AUTH))
        ),
        "san-only": forge.request(forge.extensions(forge.sans(*allowed)), subject=b"\x30\x00"),
        "microsoft": forge.request(
            forge.extensions(forge.sans(*allowed), oid=forge.MICROSOFT),
            forge.attribute("1.3.6.1.4.1.311.13.2.3", encode(0x16, b"10.0.20348.2")),
        ),
        "bindings": forge.request(binding, otp, subject=multi),
        "empty": forge.request(),
        "multi-valued": forge.request(subject=multi),
    }
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        found["openssl"] = make_request(
            made, "-newkey", "rsa:2048", "-addext", "subjectAltName=DNS:a.example,IP:::1"
        )
        found["openssl-explicit-curve"] = make_request(
            made,
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-pkeyopt", "ec_param_enc:explicit"),
        )
    return found


def _parts_of_requests(requests: dict[str, bytes]) -> None:
    for label, der in requests.items():
        request = x509.load_der_x509_csr(der)
        start, end = expect(
            request.tbs_certrequest_bytes, 0, len(request.tbs_certrequest_bytes), 0x30
        )
        tbs = request.tbs_certrequest_bytes
        spans = []
        for tag in (0x02, 0x30, 0x30, 0xA0):
            inner, stop = expect(tbs, start, end, tag)
            spans.append((start, inner, stop))
            start = stop
        _write("public_key", label, tbs[spans[2][0] : spans[2][2]])
        if spans[3][1] == spans[3][2] or "curve" in label:
            continue
        _write("attributes", label, tbs[spans[3][1] : spans[3][2]])
        csr = decode_pkcs10(der)
        if csr.san_der:
            _write("general_names", label, csr.san_der)
        for one in csr.attributes:
            if one.oid in (forge.EXTENSION_REQUEST, forge.MICROSOFT):
                _write("extensions", label, one.values[0])
        for extension in csr.extensions:
            _write("extensions", f"value-{extension.oid}", extension.value)


def _names() -> None:
    every = [
        ("2.5.4.6", "DE", 0x13),
        ("0.9.2342.19200300.100.1.25", "example", 0x16),
        ("2.5.4.10", 'Größe + "Komma", = #', 0x0C),
        ("1.2.840.113549.1.9.1", "a@example.com", 0x16),
        (forge.CN, " 機器-1 ", 0x0C),
    ]
    _write("name", "every", forge.name(*every))
    _write("name", "device", forge.DEVICE)
    _write("name", "empty", b"\x30\x00")
    for tag, text in (
        (0x14, "Größe".encode("latin-1")),
        (0x1E, "Größe".encode("utf-16-be")),
        (0x1C, "Größe".encode("utf-32-be")),
        (0x02, b"\x05"),
        (0x0C, "\u202egpj.exe\x00\r\n\x1b[31m".encode()),
    ):
        value = encode(0x30, encode_oid(forge.CN), encode(tag, text))
        _write("name", f"tag-{tag:02x}", encode(0x30, encode(0x31, value)))


def _bodies(requests: dict[str, bytes]) -> None:
    der = requests["p256"]
    pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
    text = base64.b64encode(der)
    _write("body", "der", der)
    _write("body", "one-line", text)
    _write("body", "wrapped", base64.encodebytes(der))
    _write("body", "crlf", base64.encodebytes(der).replace(b"\n", b"\r\n") + b"\r\n\r\n")
    _write("body", "cr", base64.encodebytes(der).replace(b"\n", b"\r"))
    _write("body", "pem", pem)
    _write(
        "body",
        "pem-new",
        b"Certificate Request:\n"
        + pem.replace(b"BEGIN C", b"BEGIN NEW C").replace(b"END C", b"END NEW C"),
    )
    _write("body", "blank", b" \t\r\n")


def _small_texts() -> None:
    for label, header in {
        "usual": b"Basic " + base64.b64encode(b"device:secret"),
        "no-user": b"Basic " + base64.b64encode(b":secret"),
        "utf-8": b"basic  " + base64.b64encode("gerät:geheim:ß".encode()),
        "latin-1": b"BASIC " + base64.b64encode("gerät:geheim".encode("latin-1")),
        "bearer": b"Bearer abc",
    }.items():
        _write("basic", label, header)
    for number, dotted in enumerate(("1.2.840.113549.1.9.14", "2.999.3", "0.0", "2.5.29.37.0")):
        _write("oid", str(number), encode_oid(dotted)[2:])
        _write("oid_text", str(number), dotted.encode())


def _csrattrs() -> None:
    """What a server wants: nothing, one thing, everything, and the list of RFC 7030 §4.5.2."""
    key = AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=3072)
    _write("csrattrs", "empty", bytes.fromhex("3000"))
    _write("csrattrs", "usage", encode_csrattrs(ekus=["1.3.6.1.5.5.7.3.2"]))
    _write("csrattrs", "all", encode_csrattrs(key=key, attributes=["2.5.4.5", "1.3.6.1.1.1.1.22"]))
    rfc = (
        "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEW"
        "BggqhkjOPQQDAw=="
    )
    _write("csrattrs", "rfc7030", base64.b64decode(rfc))


def _connections() -> None:
    start = b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: a\r\n"
    length = start + b"Content-Length: 4\r\n\r\nMIIB"
    chunked = (
        start + b"Transfer-Encoding: chunked\r\n\r\n2\r\nMI\r\n2;x=y\r\nIB\r\n0\r\nT: 1\r\n\r\n"
    )
    get = b"GET /.well-known/est/cacerts?a=b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    for label, octets in {
        "get": get,
        "length": length,
        "chunked": chunked,
        "pipelined": get + length + chunked + get,
        "http-1.0": b"GET / HTTP/1.0\r\n\r\n",
        "head": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get,
        "expect": start + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        "both": start + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
        + get,
        "absolute": b"GET http://a/x%2f..?q HTTP/1.1\r\nHost: a\r\n\r\n",
        "large": start + b"Content-Length: 600\r\n\r\n" + b"x" * 600,
        "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    }.items():
        _write("http", label, octets)


def _chains() -> None:
    rsa_root = make_ca("rsa root", key=rsa.generate_private_key(65537, 2048), not_after=FOREVER)
    ec_root = make_ca("ec root", extensions=[])
    ed_root = make_ca("ed root", key=ed25519.Ed25519PrivateKey.generate())
    middle = make_ca("middle", issuer=rsa_root, path_length=0)
    lower = make_ca("lower", issuer=ec_root)
    factory = make_ca("factory", issuer=make_ca("factory root"))
    anchors = [rsa_root, ec_root, ed_root, factory, make_ca("ec root", serial=77)]
    (CORPUS / "anchors.der").write_bytes(b"".join(each.der for each in anchors))
    client = [(EKU([CLIENT]), False), (usage(digital_signature=True), True)]
    good = {
        "direct": [make("direct", issuer=rsa_root)],
        "middle": [make("middle leaf", issuer=middle, extensions=client), middle],
        "root-sent": [make("lower leaf", issuer=lower, ca=False), lower, ec_root],
        "ed25519": [make("ed leaf", issuer=ed_root, key=ed25519.Ed25519PrivateKey.generate())],
        "partial": [make("factory leaf", issuer=factory)],
        "sans": [make("sans", issuer=ec_root, extensions=[(ALL_SANS, False), *client])],
    }
    bounds = x509.NameConstraints(
        [x509.DNSName("example.com")], [x509.IPAddress(ip_network("10.0.0.0/8"))]
    )
    bound = make_ca(
        "bound", issuer=rsa_root, extensions=[(usage(key_cert_sign=True), True), (bounds, True)]
    )
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    bad = {
        "expired": [make("old", issuer=rsa_root, not_after=NOW - DAY)],
        "early": [make("new", issuer=rsa_root, not_before=NOW + DAY)],
        "ca": [make_ca("a ca", issuer=rsa_root)],
        "server": [make("server", issuer=rsa_root, extensions=[(EKU([SERVER]), False)])],
        "weak": [make("weak", issuer=rsa_root, key=weak)],
        "dsa": [make("dsa", issuer=rsa_root, key=dsa.generate_private_key(2048))],
        "stranger": [make("direct", issuer=make_ca("rsa root"))],
        "no-ca-between": [make("under a leaf", issuer=good["direct"][0]), good["direct"][0]],
        "bound": [make("bound leaf", issuer=bound, extensions=[(ALL_SANS, False)]), bound],
        "no-middle": good["middle"][:1],
    }
    for kind, chains in (("good", good), ("bad", bad)):
        for label, chain in chains.items():
            _write("chain", f"{kind}-{label}", b"".join(held.der for held in chain))
            _write("certificate", f"{kind}-{label}", chain[0].der)
    _write("certificate", "root", rsa_root.der)
    _bundles([rsa_root, ec_root, middle], bad["expired"][0])


def _bundles(anchors: list[Held], expired: Held) -> None:
    pem = b"".join(held.pem for held in anchors)
    _write("bundle", "three.pem", pem)
    _write("bundle", "one.pem", b"Subject: CN=rsa root\n" + anchors[0].pem)
    _write("bundle", "twice.pem", anchors[1].pem * 2)
    _write("bundle", "expired.pem", pem + expired.pem)
    _write("bundle", "crlf.pem", anchors[1].pem.replace(b"\n", b"\r\n"))
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(anchors[1].certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .sign(anchors[1].key, hashes.SHA256())
    )
    _write("bundle", "crl.pem", anchors[1].pem + crl.public_bytes(Encoding.PEM))


def _signed_contents() -> None:
    """TBSCertificates for ``hierarchy``: the leaf's, then those above it."""

    def leaf(*extensions: tuple[x509.ExtensionType, bool], **settings: Any) -> bytes:
        return hierarchy.made(
            *("leaf", hierarchy.LEAF_KEY),
            issuer="fuzz middle",
            signer=hierarchy.MIDDLE_KEY,
            extensions=extensions,
            **settings,
        ).tbs_certificate_bytes

    middle = x509.load_der_x509_certificate(hierarchy.middle()).tbs_certificate_bytes
    year_1 = datetime(1950, 1, 1, tzinfo=UTC)
    everything = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (hierarchy.key_usage(signs=True), True),
        (EKU([CLIENT]), True),
        (ALL_SANS, False),
        (x509.SubjectKeyIdentifier(b"\x01" * 20), False),
    )
    _write("tbs", "bare", leaf())
    _write("tbs", "everything", leaf(*everything))
    _write("tbs", "with-middle", leaf(*everything) + middle)
    _write("tbs", "expired", leaf(not_before=year_1, not_after=NOW - DAY))
    _write("tbs", "early", leaf(not_before=NOW + DAY, not_after=FOREVER))
    _write("tbs", "server", leaf((EKU([SERVER]), False)))
    _write("tbs", "ca", leaf(*hierarchy.AUTHORITY))


if __name__ == "__main__":
    main()
