"""What the CA is asked to sign as a CRL: everything that is not one is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.revocation import RevocationReason
from certctl.wire.certificate import CertificateTemplate, extension
from certctl.wire.crl import encode_tbs
from certctl.wire.crl_entry_checks import _COMMON, _are_uniform, check_entries
from certctl.wire.crl_reader import TbsReader, decode_tbs
from certctl.wire.der import SEQUENCE, DerError, encode, expect
from certctl.wire.pointers import encode_distribution_points, encode_point_name
from tests.unit.wire.test_certificate import SPKI
from tests.unit.wire.test_crl import ECDSA_SHA256, ISSUER, NAME, SERIAL, THIS, URL, fields

ENTRY = (SERIAL, THIS, RevocationReason.KEY_COMPROMISE)
TBS = encode_tbs(ISSUER, fields(), [ENTRY])
TIME = b"\x17\x0d261125120000Z"
REASON = bytes.fromhex("300c300a0603551d1504030a0101")
AKI = extension("2.5.29.35", b"\x30\x16\x80\x14" + b"k" * 20)
NUMBER = extension("2.5.29.20", b"\x02\x01\x05")


def around(*, entries: bytes = b"", extensions: bytes = AKI + NUMBER, version=b"\x02\x01\x01"):
    listed = encode(SEQUENCE, entries) if entries else b""
    return encode(
        SEQUENCE,
        *(version, ECDSA_SHA256, NAME.public_bytes(), TIME, b"\x17\x0d261126120000Z", listed),
        encode(0xA0, encode(SEQUENCE, extensions)) if extensions else b"",
    )


def entry(*parts: bytes) -> bytes:
    return encode(SEQUENCE, *parts)


NUMBERED = b"\x02\x14" + SERIAL


def test_the_frame_of_these_tests_is_sound():
    assert decode_tbs(around()) == decode_tbs(encode_tbs(ISSUER, fields(), []))
    assert decode_tbs(around(entries=entry(NUMBERED, TIME, REASON))).has_entries


def test_every_cut_is_refused():
    for length in range(len(TBS)):
        with pytest.raises(DerError):
            decode_tbs(TBS[:length])


def test_a_certificate_is_no_crl():
    template = CertificateTemplate.of_issuer(
        algorithm_der=ECDSA_SHA256, issuer_der=NAME.public_bytes(), key_identifier=b"k" * 20
    )
    tbs = template.to_be_signed(
        serial=SERIAL,
        not_before=0,
        not_after=60,
        subject_der=NAME.public_bytes(),
        spki_der=SPKI,
        san_der=b"",
        key_agreement=False,
        ekus=(),
    )
    start, end = expect(tbs, 0, len(tbs), SEQUENCE)
    version_1 = encode(SEQUENCE, b"\x02\x01\x01", tbs[start + 5 + 22 : end])
    for octets in (tbs, version_1):
        with pytest.raises(DerError):
            decode_tbs(octets)
    parsed = x509.load_der_x509_certificate(template.seal(tbs, b"s"))
    assert parsed.issuer == NAME, "a certificate, and still refused"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30\x00",
        TBS + b"\x00",
        around(version=b""),
        around(version=b"\x02\x01\x00"),
        around(version=b"\x02\x01\x02"),
        around(extensions=b""),
        around(extensions=AKI),
        around(extensions=NUMBER),
        around(extensions=AKI + NUMBER + NUMBER),
        around(extensions=AKI + NUMBER + extension("1.2.3", b"\x05\x00")),
        around(extensions=AKI + extension("2.5.29.20", b"\x02\x01\x05", critical=True)),
        around(extensions=AKI + extension("2.5.29.20", b"\x02\x02\x00\x05")),
        around(extensions=AKI + extension("2.5.29.20", b"\x02\x01\x85")),
        around(extensions=AKI + extension("2.5.29.20", b"\x02\x01\x05\x00")),
        around(extensions=AKI + extension("2.5.29.20", b"\x02\x15\x01" + bytes(20))),
        around(extensions=AKI + NUMBER + extension("2.5.29.27", b"\x02\x01\x01")),
        around(
            extensions=AKI
            + NUMBER
            + extension("2.5.29.28", encode(SEQUENCE, encode_point_name(URL)))
        ),
        around(extensions=AKI + NUMBER + extension("2.5.29.28", b"\x30\x00", critical=True)),
        around(
            extensions=AKI
            + NUMBER
            + extension(
                "2.5.29.28",
                encode(SEQUENCE, encode_point_name(URL), b"\x81\x01\xff"),
                critical=True,
            )
        ),
        around(
            extensions=AKI
            + NUMBER
            + extension(
                "2.5.29.28",
                encode(SEQUENCE, encode_point_name(URL.replace("http:", "ldap:"))),
                critical=True,
            )
        ),
        around(
            extensions=AKI
            + NUMBER
            + extension("2.5.29.46", encode_distribution_points(URL), critical=True)
        ),
        around(extensions=extension("2.5.29.35", b"\x30\x00") + NUMBER),
        TBS.replace(TIME, b"\x18\x0f20261125120000Z", 1),
        TBS.replace(TIME, b"\x17\x0d261325120000Z", 1),
        TBS.replace(TIME, b"\x17\x0d2611251200+0Z", 1),
        TBS.replace(TIME, b"\x17\x0d261125120000z", 1),
        TBS.replace(TIME, b"\x04\x0d261125120000Z", 1),
    ],
    ids=range(28),
)
def test_frames_that_are_no_crl_are_refused(octets):
    with pytest.raises(DerError):
        decode_tbs(octets)


@pytest.mark.parametrize(
    "octets",
    [
        entry(),
        entry(NUMBERED),
        entry(TIME),
        entry(b"\x02\x01\xff", TIME),
        entry(b"\x02\x02\x00\x01", TIME),
        entry(b"\x02\x14\xff" + SERIAL[1:], TIME),
        entry(b"\x02\x16\x00" + b"\xff" * 21, TIME),
        entry(b"\x02\x15\x01" + SERIAL, TIME),
        entry(NUMBERED, b"\x17\x0d261125240000Z"),
        entry(NUMBERED, b"\x17\x0d260230000000Z", REASON, b"\x00"),
        *(
            entry(NUMBERED, b"\x17\x0d" + day + b"000000Z")
            for day in (b"260001", b"261301", b"260100", b"260132", b"260229", b"260431")
        ),
        entry(NUMBERED, b"\x18\x0f20261125120000Z"),
        entry(NUMBERED, TIME, b"\x30\x00"),
        entry(NUMBERED, TIME, REASON[:-1] + b"\x00"),
        entry(NUMBERED, TIME, REASON[:-1] + b"\x07"),
        entry(NUMBERED, TIME, REASON[:-1] + b"\x08"),
        entry(NUMBERED, TIME, REASON[:-1] + b"\x0b"),
        entry(NUMBERED, TIME, REASON, REASON),
        entry(NUMBERED, TIME)[:-1],
        entry(NUMBERED, TIME).replace(b"\x30\x25", b"\x30\x24"),
        b"\x31" + entry(NUMBERED, TIME)[1:],
    ],
    ids=range(26),
)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_entry_that_is_none_is_refused_wherever_it_stands(octets, before):
    good = entry(NUMBERED, TIME, REASON)
    for entries in (good * before + octets, good * before + octets + good):
        with pytest.raises(DerError):
            decode_tbs(around(entries=entries))


def test_an_empty_list_of_entries_is_refused():
    empty = around().replace(b"\x17\x0d261126120000Z", b"\x17\x0d261126120000Z\x30\x00")
    empty = b"\x30" + bytes((empty[1] + 2,)) + empty[2:]
    with pytest.raises(DerError, match="left out"):
        decode_tbs(empty)


def test_remove_from_crl_belongs_to_delta_crls_alone():
    removed = entry(NUMBERED, TIME, REASON[:-1] + b"\x08")
    delta = extension("2.5.29.27", b"\x02\x01\x01", critical=True)
    assert decode_tbs(around(entries=removed, extensions=AKI + NUMBER + delta)).base_number == 1
    with pytest.raises(DerError):
        decode_tbs(around(entries=removed))


def test_every_day_there_is_may_stand_in_an_entry():
    days = []
    day = datetime(1950, 1, 1, tzinfo=UTC)
    while day.year < 2050:
        days.append(day.strftime("%y%m%d").encode())
        day += timedelta(days=1)
    entries = [entry(NUMBERED, b"\x17\x0d" + text + b"235959Z") for text in days]
    assert all(map(_COMMON.fullmatch, entries)), "all of them in the quick way"


@given(
    width=st.sampled_from(["plain", "reasoned"]),
    count=st.integers(1, 4),
    at=st.integers(0, 10_000),
    octet=st.integers(0, 255),
)
def test_the_quick_look_at_columns_lets_nothing_pass_that_another_refuses(width, count, at, octet):
    good = entry(NUMBERED, TIME, *([REASON] if width == "reasoned" else []))
    octets = bytearray(good * count)
    octets[at % len(octets)] = octet
    if _are_uniform(bytes(octets), len(good)):
        # One by one and by the pattern, as the reader does with entries of mixed forms.
        mixed = bytes(octets) + entry(b"\x02\x01\x07", TIME)
        removes = check_entries(mixed, 0, len(mixed))
        assert check_entries(bytes(octets), 0, len(octets)) is removes


def test_each_field_of_a_column_is_looked_at():
    """Nothing but serial, digits and reason of an entry may be any other octet."""
    good = entry(NUMBERED, TIME, REASON)
    free = 0
    for at in range(len(good)):
        changed = bytearray(good * 3)
        changed[len(good) + at] = 0xEE
        free += _are_uniform(bytes(changed), len(good))
    assert free == 19, "all of the serial but its first octet"
    assert _are_uniform(good * 3, len(good))


@pytest.mark.parametrize("at", [0, 255, 256, 499, 500, 700, 999])
@pytest.mark.parametrize("moment", [b"260431000000Z", b"261125240000Z"])
def test_a_moment_that_never_was_is_found_among_a_thousand(moment, at):
    days = (entry(NUMBERED, b"\x17\x0d2611" + day + b"120000Z", REASON) for day in (b"24", b"25"))
    entries = [good for good in days for _ in range(500)]
    assert _are_uniform(b"".join(entries), len(entries[0]))
    entries[at] = entry(NUMBERED, b"\x17\x0d" + moment, REASON)
    octets = b"".join(entries)
    assert not _are_uniform(octets, len(entries[0]))
    with pytest.raises(DerError):
        check_entries(octets, 0, len(octets))


def pieces_of(*ends: int) -> list[bytes]:
    return [TBS[start:stop] for start, stop in zip((0, *ends), (*ends, len(TBS)), strict=True)]


ENTRIES_AT = TBS.index(b"\x30\x33")
EXTENSIONS_AT = ENTRIES_AT + 53


@pytest.mark.parametrize("ends", [(), (ENTRIES_AT,), (EXTENSIONS_AT,), (ENTRIES_AT, EXTENSIONS_AT)])
def test_a_list_may_come_in_pieces(ends):
    reader = TbsReader()
    for piece in pieces_of(*ends):
        reader, before = reader.copy(), reader
        reader.feed(piece)
        with pytest.raises(DerError, match="cut off"):
            before.finish()
    assert reader.finish() == decode_tbs(TBS)
    with pytest.raises(DerError, match="after the list"):
        reader.feed(b"\x00")


def test_no_piece_cuts_anything_in_two():
    for end in range(1, len(TBS)):
        if end in (ENTRIES_AT, EXTENSIONS_AT):
            continue
        reader = TbsReader()

        def read(reader: TbsReader = reader, end: int = end) -> None:
            for piece in pieces_of(end):
                reader.feed(piece)

        with pytest.raises(DerError):
            read()
