"""What must hold for octets that decide what is on record, and how it is found again."""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import suppress
from functools import cache
from hashlib import sha256

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, create_engine, select

from certctl.authority.commands import Import
from certctl.authority.import_certificates import imported_record
from certctl.authority.messages import (
    FrameError,
    FrameReader,
    decode_replies,
    decode_requests,
    decode_told,
    encode_frame,
)
from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.csr import Attribute
from certctl.domain.errors import RequestMalformed
from certctl.domain.imports import ImportRefused
from certctl.domain.inventory import CertificateFilter, CursorRefused, NameMatch
from certctl.domain.names import same_subject
from certctl.domain.san import same_sans
from certctl.domain.search import AuditQuery, matches
from certctl.store import cursors
from certctl.store.queries.search import audit_condition
from certctl.store.rows import event_row
from certctl.store.tables import audit_events
from certctl.wire.audit_lines import decode_line, encode_line, find_line
from certctl.wire.change_subject import CHANGE_SUBJECT_NAME, changed_names
from certctl.wire.der import SEQUENCE, encode, read
from certctl.wire.general_names import decode_general_names
from certctl.wire.identity import comparable_names
from certctl.wire.names import decode_name
from tests.fuzz.laws_trust import split
from tests.fuzz.laws_wire import MAX_NOTE, check_refusal

LISTS = (
    CertificateFilter(),
    CertificateFilter(cn=NameMatch(text="a", prefix=True)),
    CertificateFilter(expires_before_us=1),
)
"""One of each order: by id, by name, by expiry."""


def imported(data: bytes) -> None:
    """What goes on record is what the library reads."""
    try:
        record = imported_record(Import(der=data, issuer_id="external:x"))
    except ImportRefused as refused:
        text = str(refused)
        assert text.isprintable(), f"unprintable {text!r}"
        assert len(text) <= MAX_NOTE
        return
    library = x509.load_der_x509_certificate(data)
    assert int(record.serial, 16) == library.serial_number
    assert record.fingerprint == sha256(data).digest()
    assert record.not_after_us == int(library.not_valid_after_utc.timestamp()) * 1_000_000
    assert record.subject.isprintable()
    assert all(text.isprintable() for text in record.sans)
    assert len(record.id) == 32
    with suppress(
        ValueError, TypeError, UnsupportedAlgorithm
    ):  # keys that the library does not know
        key = library.public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert record.spki_sha256 == sha256(spki).digest()


def identity(data: bytes) -> None:
    """Equal octets exactly where the names are called the same: two subjects, then two SANs."""
    subjects, sans = _names_in(data)
    for one, one_read in subjects:
        for other, other_read in subjects:
            same = comparable_names(one, b"") == comparable_names(other, b"")
            assert same is same_subject(one_read, other_read)
    for one, one_found in sans:
        for other, other_found in sans:
            same = comparable_names(b"", one) == comparable_names(b"", other)
            assert same is same_sans(one_found, other_found)


def _names_in(data: bytes):
    subjects, sans = [], []
    for part in split(data)[:4]:
        with suppress(RequestMalformed):
            subjects.append((part, decode_name(part)))
        with suppress(RequestMalformed):
            sans.append((part, decode_general_names(part)))
    return subjects, sans


def change_subject(data: bytes) -> None:
    """Both ways to write it say the same; the parts are those that were sent."""
    attribute = Attribute(oid=CHANGE_SUBJECT_NAME, values=(data,), der=data)
    try:
        found = changed_names((attribute,))
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    assert found is not None
    assert found.subject_der is not None or found.san_der is not None
    assert read(data, 0, len(data))[2] == len(data), "octets after it"
    assert (found.subject_der or b"") in data
    tagged = b"" if found.san_der is None else encode(0xA1, found.san_der)
    again = encode(SEQUENCE, found.subject_der or b"", tagged)
    assert changed_names((Attribute(oid=CHANGE_SUBJECT_NAME, values=(again,), der=again),)) == found


@cache
def _database() -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


def cursor(data: bytes) -> None:
    """A forged cursor begins somewhere else in the same list, and breaks nothing there."""
    for wanted in LISTS:
        for oldest_first in (False, True):
            with suppress(CursorRefused):
                cursors.read(data.decode("latin-1"), wanted, oldest_first=oldest_first)
                raise AssertionError("a cursor of no list")
            true = cursors.write((0, ""), wanted, oldest_first=oldest_first)
            digest: bytes = msgspec.msgpack.decode(base64.urlsafe_b64decode(true + "=="))[0]
            forged = b"\x93" + msgspec.msgpack.encode(digest) + data
            text = base64.urlsafe_b64encode(forged).decode().rstrip("=")
            try:
                place = cursors.read(text, wanted, oldest_first=oldest_first)
            except CursorRefused:
                continue
            _database().execute("SELECT 1 WHERE ? > 0 OR ? > ''", place)
            assert "\0" not in place[1], "PostgreSQL takes no NUL in a text"
            for other in LISTS:
                if other is not wanted:
                    with suppress(CursorRefused):
                        cursors.read(text, other, oldest_first=oldest_first)
                        raise AssertionError("a cursor of another list")
            again = cursors.write(place, wanted, oldest_first=oldest_first)
            assert cursors.read(again, wanted, oldest_first=oldest_first) == place


def frames(data: bytes) -> None:
    """What a worker sends to the authority, as a stream of frames and as one frame."""
    with suppress(FrameError):
        whole = FrameReader().feed(data)
        reader = FrameReader()
        cut = [frame for octet in data for frame in reader.feed(bytes((octet,)))]
        assert cut == whole
        for frame in whole:
            _frame(frame)
    _frame(data)


def _frame(frame: bytes) -> None:
    for decode in (decode_requests, decode_replies, decode_told):
        with suppress(FrameError):
            messages = decode(frame)
            assert decode(encode_frame(messages)[4:]) == messages


def audit_line(data: bytes) -> None:
    """A line of an export or of a collector's file is one of ours, or no line."""
    for decode in (decode_line, find_line):
        with suppress(ValueError):
            line = decode(data)
            if line is not None:
                written = encode_line(line)
                assert written.count(b"\n") == 1
                assert decode_line(written) == line
                assert find_line(b"<109>1 host certctl " + written) == line


@cache
def _events() -> Connection:
    connection = create_engine("sqlite://").connect()
    audit_events.create(connection)
    return connection


def search_text(data: bytes) -> None:
    """A text that is looked for, then what stands in an event: SQL finds what ``matches`` does.

    What is looked for has no control characters (``web.api.models.ShortText``).
    """
    wanted, _, held = data.decode("utf-8", "replace").partition("\n")
    wanted = re.sub(r"[\x00-\x1f\x7f]", "", wanted)[:500]
    if "\0" in held:
        return  # PostgreSQL takes none; names with one are refused
    event = AuditEvent(
        time_us=0,
        actor="a",
        actor_type="est-client",
        action=AuditAction.SIMPLE_ENROLL_FAILED,
        outcome=Outcome.FAILURE,
        profile="",
        details={"held": held, "list": held.split("\n")},
        client_certificate_subject=held,
    )
    digest = bytes(32)
    row = RecordedEvent(
        id="0" * 32, node="n", seq=1, event=event, previous_digest=digest, digest=digest
    )
    connection = _events()
    connection.execute(audit_events.delete())
    connection.execute(audit_events.insert().values(event_row(row)))
    query = AuditQuery(text=wanted or None)
    found = connection.execute(select(audit_events.c.seq).where(audit_condition(query))).fetchall()
    assert bool(found) is matches(query, event)
