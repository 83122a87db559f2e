"""Seeds of what servers, CAs outside, proxies, browsers and workers send; see ``make_corpus``."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from certctl.authority.messages import (
    AttemptReply,
    AttemptRequest,
    CommandRequest,
    FailureReply,
    IssueRequest,
    RefusalNote,
    Reply,
    Request,
    StartedReply,
    encode_frame,
)
from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome, RecordedEvent
from certctl.domain.checkpoint import GENESIS, ChainHead, Checkpoint
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.ports import WrongAttempt
from certctl.domain.retention import AuditStub
from certctl.wire.audit_lines import (
    CheckpointLine,
    EndLine,
    EventLine,
    HeadLine,
    Line,
    StubLine,
    encode_line,
)
from certctl.wire.der import encode
from certctl.wire.pkcs7 import certs_only
from certctl.wire.proxy_headers import encode_client_cert
from tests.fuzz import hierarchy, laws_outside
from tests.security.test_worker_commands import COMMANDS
from tests.unit.wire import forge

DAY = timedelta(days=1)

Write = Callable[[str, str, bytes], None]
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def write_all(write: Write, corpus: Path) -> None:
    """Give ``write`` the folder, the label and the octets of each; certificates are there."""
    _proxies(write)
    _answers(write)
    _doctor(write)
    _mcp_answers(write, corpus)
    _http_answers(write)
    _outside(write)
    _hook_answers(write)
    _names(write)
    _frames(write)
    _audit_lines(write)
    _browsers(write)
    for label, place in {"id": (0, "0" * 32), "name": (b"a.example", "1" * 32)}.items():
        write("cursor", label, b"".join(map(msgspec.msgpack.encode, place)))
    write("cursor", "expiry", msgspec.msgpack.encode(1 << 50) + msgspec.msgpack.encode("f" * 32))


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _proxies(write: Write) -> None:
    one, other = (encode_client_cert(der) for der in (hierarchy.middle(), hierarchy.root()))
    write("client_cert", "one", one)
    write("client_cert", "unpadded", b":" + one[1:-1].rstrip(b"=") + b":")
    write("client_cert", "chain", one + b", " + other)
    write("client_cert", "longest-chain", b", ".join([other] * 8))
    write("client_cert", "too-long-a-chain", b",".join([other] * 9))
    bare = one[1:-1].rstrip(b"=")
    write("client_cert", "padded-too-much", b":" + bare + b"=" * (-len(bare) % 4 ^ 1) + b":")
    write("client_cert", "escaped", quote(_pem(hierarchy.middle()), safe="").encode())
    write("client_cert", "half-escaped", quote(_pem(hierarchy.middle()), safe="+/=").encode())
    for label, value in {
        "rfc-1": 'for="_gazonk"',
        "rfc-2": 'For="[2001:db8:cafe::17]:4711"',
        "rfc-3": "for=192.0.2.60;proto=http;by=203.0.113.43",
        "rfc-4": "for=192.0.2.43, for=198.51.100.17",
        "quoted": 'for="192.0.2.1:80";host="a,b;\\"c\\\\"',
        "unknown": 'for=unknown, by=_x;for="_hidden:_port"',
        "mapped": 'for="[::ffff:192.0.2.7]"',
        "xff": "192.0.2.43, 2001:db8::1, [2001:db8::2]:443",
        "xff-short": "::1",
        "xff-ports": "192.0.2.43:1234,unknown , _secret",
    }.items():
        write("forwarded", label, value.encode())
    for label, value in {
        "w3c": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "unsampled": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "later": "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
    }.items():
        write("traceparent", label, value.encode())


def _answers(write: Write) -> None:
    """A first line as Content-Type, then the body (``laws_client.answers``)."""
    certs = base64.encodebytes(certs_only([hierarchy.middle(), hierarchy.root()]))
    key = base64.encodebytes(encode(0x30, b"\x02\x01\x00"))
    kind = b"application/pkcs7-mime; smime-type=certs-only\n"
    write("answers", "certs", kind + certs)
    write("answers", "one-line", kind + certs.replace(b"\n", b""))
    write("answers", "crlf", kind + certs.replace(b"\n", b"\r\n"))
    write("answers", "empty", kind + base64.b64encode(certs_only([])))
    for label, first, body in (("plain", "pkcs8", key), ("enveloped", "pkcs7-mime", certs)):
        parts = [
            b"Content-Type: application/%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s"
            % (name.encode(), octets)
            for name, octets in ((first, body), ("pkcs7-mime; smime-type=certs-only", certs))
        ]
        whole = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
        write("answers", f"serverkeygen-{label}", b'multipart/mixed; boundary="b"\n' + whole)
    problem = {
        "title": "No",
        "rule": "The name must be one of ours.",
        "remedy": "Ask\u202e.",
        "errors": [{"field": "cn", "problem": "too long"}],
    }
    write("answers", "problem", b"application/problem+json\n" + msgspec.json.encode(problem))
    write("answers", "text", b"text/plain; charset=utf-8\nnot_pkcs10\n\x1b[31mred\r\n\x00")
    write("answers", "html", b"text/html\n<h1>502 Bad Gateway</h1>")


def _mcp_answers(write: Write, corpus: Path) -> None:
    """PKCS#7 of certificates that are there already."""
    write("mcp_answer", "both", certs_only([hierarchy.middle(), hierarchy.root()]))
    write("mcp_answer", "ours", certs_only([hierarchy.middle()]))
    for name in ("good-sans", "good-ed25519", "bad-dsa", "bad-bound"):
        der = (corpus / "certificate" / name).read_bytes()
        write("mcp_answer", name, certs_only([hierarchy.middle(), der]))


def _doctor(write: Write) -> None:
    """CRLs, OCSP responses and dates; certificates have a folder of their own."""
    issuer = x509.load_der_x509_certificate(hierarchy.middle())
    revoked = (
        x509.RevokedCertificateBuilder()
        .serial_number(issuer.serial_number)
        .revocation_date(hierarchy.BEFORE)
        .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
        .build()
    )
    for label, update in (("crl", hierarchy.AFTER), ("old-crl", hierarchy.NOW - DAY)):
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.issuer)
            .last_update(hierarchy.BEFORE)
            .next_update(update)
            .add_extension(x509.CRLNumber(7), critical=False)
            .add_revoked_certificate(revoked)
            .sign(hierarchy.ROOT_KEY, None)
        )
        write("doctor", label, crl.public_bytes(Encoding.DER))
        write("doctor", f"{label}-pem", crl.public_bytes(Encoding.PEM))
    for label, status in (
        ("good", ocsp.OCSPCertStatus.GOOD),
        ("revoked", ocsp.OCSPCertStatus.REVOKED),
    ):
        is_revoked = status is ocsp.OCSPCertStatus.REVOKED
        answer = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=issuer,
                issuer=x509.load_der_x509_certificate(hierarchy.root()),
                algorithm=hashes.SHA256(),
                cert_status=status,
                this_update=hierarchy.BEFORE,
                next_update=hierarchy.AFTER,
                revocation_time=hierarchy.BEFORE if is_revoked else None,
                revocation_reason=x509.ReasonFlags.superseded if is_revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
            .sign(hierarchy.MIDDLE_KEY, None)
        )
        write("doctor", f"ocsp-{label}", answer.public_bytes(Encoding.DER))
    late = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    write("doctor", "ocsp-later", late.public_bytes(Encoding.DER))
    write("doctor", "date", b"Sun, 06 Nov 1994 08:49:37 GMT")
    urls = [x509.UniformResourceIdentifier("http://crl.example/")]
    pointing = hierarchy.made(
        *("pointing", hierarchy.LEAF_KEY),
        issuer="fuzz middle",
        signer=hierarchy.MIDDLE_KEY,
        extensions=(
            (laws_outside.SANS, False),
            (
                x509.CRLDistributionPoints([x509.DistributionPoint(urls, None, None, None)]),
                False,
            ),
            (
                x509.AuthorityInformationAccess(
                    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, urls[0])]
                ),
                False,
            ),
        ),
    )
    write("doctor", "pointing", pointing.public_bytes(Encoding.DER))


def _http_answers(write: Write) -> None:
    length = b"Content-Type: text/plain\r\nContent-Length: 4\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\nMI\r\n2;x=y\r\nIB\r\n0\r\nT: 1\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\n"
    for label, octets in {
        "length": ok + length + b"\r\nMIIB",
        "chunked": ok + chunked,
        "until-close": ok + b"\r\nMIIB",
        "short": ok + length + b"\r\nMI",
        "more": ok + length + b"\r\nMIIB" + ok + length + b"\r\nMIIB",
        "retry": b"HTTP/1.1 202 Accepted\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
        "hint": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + ok + chunked,
        "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + ok,
        "none": b"HTTP/1.1 204 No Content\r\n\r\n",
        "old": b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\nno",
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        "tls": bytes.fromhex("15030300020246"),
    }.items():
        write("http_answer", label, octets)


def _outside(write: Write) -> None:
    sans = (laws_outside.SANS, False)
    no_ca = (x509.BasicConstraints(ca=False, path_length=None), True)
    staple = (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)
    usage = (hierarchy.key_usage(signs=True), True)
    for label, extensions in {
        "as-ordered": (sans, (CLIENT, False), no_ca, usage),
        "no-usage": (sans, no_ca),
        "ca": (sans, (CLIENT, False), *hierarchy.AUTHORITY),
        "staple": (sans, (CLIENT, False), staple),
        "bare": (),
    }.items():
        made = hierarchy.made(
            *("leaf", hierarchy.LEAF_KEY),
            issuer="fuzz middle",
            signer=hierarchy.MIDDLE_KEY,
            extensions=extensions,
        )
        write("returned", label, made.tbs_certificate_bytes)
    early = hierarchy.made(
        *("leaf", hierarchy.LEAF_KEY),
        issuer="fuzz middle",
        signer=hierarchy.MIDDLE_KEY,
        extensions=(sans, (CLIENT, False)),
        not_after=datetime(2026, 1, 1, tzinfo=UTC),
    )
    write("returned", "ended", early.tbs_certificate_bytes)
    pem = _pem(hierarchy.middle())
    write("program_output", "one", pem)
    write("program_output", "talkative", b"Certificate:\n    Data: 1\n" + pem + b"done\n")
    write("program_output", "two", pem + _pem(hierarchy.root()))
    write("program_output", "crlf", pem.replace(b"\n", b"\r\n"))
    write("program_output", "words", "error: \x1b[31mno such device\u202e\nsecond\n".encode())
    write("program_output", "other", _pem(hierarchy.root()).replace(b" CERT", b" X509 CERT") + pem)


def _hook_answers(write: Write) -> None:
    for label, text in {
        "yes": '{"allow": true}',
        "no": '{"allow": false, "reason": "unpatched"}',
        "no-word": "{}",
        "number": '{"allow": 1}',
        "escape": '{"allow": false, "reason": "\\u001b[31mred\\u202e\\r\\n"}',
        "twice": '{"allow": false, "allow": true}',
        "list": '[{"allow": true}]',
    }.items():
        write("hook_answer", label, text.encode())


def _names(write: Write) -> None:
    """Subjects and SANs one after the other; and both in ChangeSubjectName."""
    plain = forge.name((forge.CN, "device"), ("2.5.4.5", "4711", forge.PRINTABLE))
    printed = forge.name((forge.CN, "device", forge.PRINTABLE), ("2.5.4.5", "4711"))
    two = [forge.attribute_value(forge.CN, "a"), forge.attribute_value("2.5.4.5", "b", 0x13)]
    many = encode(0x30, encode(0x31, *sorted(two)))
    one, other = forge.dns("a.example"), encode(0x87, b"\x0a\x00\x00\x01")
    write("identity", "same", plain + printed)
    write("identity", "multi", many + plain)
    write("identity", "sans", encode(0x30, one, other) + encode(0x30, other, one, one))
    sans = encode(0x30, one, other)
    for label, parts in {
        "subject": (plain,),
        "sans": (sans,),
        "both": (plain, sans),
        "tagged": (plain, encode(0xA1, sans)),
        "implicit": (plain, encode(0xA1, one)),
        "no-name": (encode(0x30), sans),
    }.items():
        write("change_subject", label, encode(0x30, *parts))


EVENT = AuditEvent(
    time_us=1_790_000_000_000_000,
    actor="est-client:device-1",
    actor_type="est-client",
    action=AuditAction.SIMPLE_ENROLL_FAILED,
    outcome=Outcome.FAILURE,
    profile="iot",
    source_address="2001:db8::1",
    client_certificate_subject="CN=\u00fc",
    details={"reason": "name", "n": 7, "sans": ["dns:a", "dns:b"]},
    tenant="acme",
)


def _frames(write: Write) -> None:
    wrong = WrongAttempt(event=EVENT, counter=Counter.AUTH_FAILED_BASIC)
    requests: dict[str, list[Request]] = {
        "nothing": [],
        "issue": [IssueRequest(1, laws_outside.ORDERED.order)],
        "note": [RefusalNote(EVENT, None), RefusalNote(EVENT, Counter.AUTH_FAILED_BASIC)],
        "attempt": [AttemptRequest(2, "192.0.2.1", wrong), AttemptRequest(3, "::1", None)],
    }
    origin, once = Origin(source_address="::1"), Once(key=b"k" * 32, request=b"r" * 32)
    for number, command in enumerate(COMMANDS):
        kind = type(command).__name__
        requests[kind] = [CommandRequest(number, command, origin, once, "bearer")]
    for label, messages in requests.items():
        write("frames", label, encode_frame(messages))
    replies: list[Reply] = [
        StartedReply(1),
        AttemptReply(2),
        FailureReply(3, "NotFound", {"what": "x"}),
    ]
    write("frames", "replies", encode_frame(replies)[4:])
    write("frames", "two", encode_frame(requests["note"]) + encode_frame(requests["attempt"]))


def _audit_lines(write: Write) -> None:
    digest = bytes(range(32))
    recorded = RecordedEvent(
        id="0" * 32, node="one", seq=1, event=EVENT, previous_digest=GENESIS, digest=digest
    )
    checkpoint = Checkpoint(
        number=1,
        made_us=1,
        previous=GENESIS,
        heads=(ChainHead(node="one", seq=1, digest=digest),),
        key_id="0" * 16,
        signature=digest * 2,
    )
    stub = AuditStub(
        node="one",
        first_seq=1,
        last_seq=2,
        digest=digest,
        checkpoint=1,
        dropped_us=3,
        key_id="0" * 16,
        signature=digest * 2,
    )
    lines: dict[str, Line] = {
        "head": HeadLine(1),
        "event": EventLine(recorded),
        "checkpoint": CheckpointLine(checkpoint),
        "stub": StubLine(stub),
        "end": EndLine(1, 2),
    }
    for label, line in lines.items():
        write("audit_line", label, encode_line(line))
    write("audit_line", "syslog", b"<109>1 - host certctl - - - " + encode_line(HeadLine(1)))


def _browsers(write: Write) -> None:
    for label, text in {
        "mixed": "STRAßE\nCN=Straße",
        "wildcards": "100%_S\n100%_sure",
        "backslash": "C:\\\\x\nC:\\x",
        "quote": "' OR 1=1 --\n' or 1=1 --",
        "controls": "\\u001b[31m\n\x1b[31m\u2028\x7f",
        "list": '"a","b"\na\nb',
    }.items():
        write("search_text", label, text.encode())
    for label, text in {
        "form": "reason=keyCompromise&next=%2Fcertificates%3Fby%3Dcn&x=",
        "place": "/certificates?text=a*&by=cn",
        "elsewhere": "//evil.example/login",
        "back-slash": "/\\evil.example",
        "origin": "https://est.example:8443\nest.example:8443",
        "cookie": "a=b; __Host-certctl=" + "A" * 43 + "; c",
        "tag": 'W/"0123", "4567"',
        "date": "Sun, 06 Nov 1994 08:49:37 GMT",
        "old-date": "Sunday, 06-Nov-94 08:49:37 GMT",
        "zone": "Tue, 1 Jan 2030 00:00:00 -0500 (EST)",
    }.items():
        write("page_request", label, text.encode())
    for label, text in {
        "root": "/",
        "page": "/certificates/0123456789abcdef0123456789abcdef/revoke",
        **{name: f"/{name}" for name in ("keys", "jobs", "events", "audit", "requests")},
        "api": "/api/v1/certificates/0123456789abcdef0123456789abcdef",
        "est": "/.well-known/est/iot/simpleenroll",
        "mtls": "/.well-known/est-mtls/iot/simplereenroll/",
        "static": "/static/app.css",
        "dots": "/est/../keys",
        "escaped": "/%2e%2e/keys%2f",
        "doubled": "//keys//",
    }.items():
        write("path", label, text.encode())
