"""Octets of CRLs: by hand where it matters, else against the library's builder and reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.clock import SECOND_US
from certctl.domain.crl import CODES, PART_OCTETS, REMOVE_FROM_CRL, pack
from certctl.domain.revocation import RevocationReason
from certctl.wire.crl import CrlFields, CrlIssuer, encode_pieces, encode_tbs, seal
from certctl.wire.crl_reader import TbsReader, decode_tbs

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
ISSUER = CrlIssuer(
    algorithm_der=ECDSA_SHA256, issuer_der=NAME.public_bytes(), key_identifier=b"k" * 20
)
KEY = ec.generate_private_key(ec.SECP256R1())
URL = "http://pki.example/crls/ca-3.crl"


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND_US  # type: ignore[misc,arg-type]


THIS, NEXT = at(2026, 11, 25, 12, 0, 0), at(2026, 11, 26, 12, 0, 0)
SERIAL = b"\x41" + bytes(range(19))


def fields(**changes: Any):
    settings: dict[str, Any] = {"number": 5, "this_update_us": THIS, "next_update_us": NEXT}
    return CrlFields(**(settings | changes))


def read(*entries: Any, **changes: Any):
    tbs = encode_tbs(ISSUER, fields(**changes), entries)
    return x509.load_der_x509_crl(seal(tbs, algorithm_der=ECDSA_SHA256, signature=b"s"))


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ((SERIAL, -1, RevocationReason.UNSPECIFIED), ValueError),
        ((SERIAL, -SECOND_US * 86_400 * 400, RevocationReason.SUPERSEDED), ValueError),
        ((SERIAL, at(9999, 12, 31) + 86_400 * SECOND_US, RevocationReason.SUPERSEDED), ValueError),
        ((b"\x01" + SERIAL, THIS, RevocationReason.SUPERSEDED), ValueError),
        ((SERIAL, THIS, REMOVE_FROM_CRL), ValueError),
        ((b"\x01", THIS, REMOVE_FROM_CRL), ValueError),
        ((SERIAL, THIS, "because"), KeyError),
    ],
    ids=[
        "before-1970",
        "long-before",
        "year-10000",
        "serial-21",
        "remove",
        "remove-rare",
        "no-reason",
    ],
)
def test_an_entry_that_cannot_be_written_is_refused(entry, fault):
    with pytest.raises(fault):
        encode_tbs(ISSUER, fields(), [entry])


@pytest.mark.parametrize(
    "changes",
    [
        {"number": -1},
        {"number": 1 << 159},
        {"next_update_us": THIS},
        {"next_update_us": THIS + 999_999},
        {"base_number": 5},
        {"base_number": -1},
        {"base_number": 1, "freshest_url": URL},
        {"distribution_point": "https://pki.example/a.crl"},
        {"distribution_point": "http://"},
        {"freshest_url": "http://pki.example/ü"},
        {"freshest_url": "http://pki.example/a b"},
        {"distribution_point": "http://pki.example/" + "a" * 1024},
    ],
    ids=",".join,
)
def test_fields_that_make_no_crl_are_refused(changes):
    with pytest.raises(ValueError):
        fields(**changes)


def test_one_entry_octet_for_octet():
    entry = (SERIAL, at(2026, 11, 25, 1, 2, 3) + 999_999, RevocationReason.KEY_COMPROMISE)
    assert encode_tbs(ISSUER, fields(), [entry]).hex(" ") == bytes.fromhex(
        "3081 a4 020101"
        "300a06082a8648ce3d040302"
        "300d310b300906035504030c024341"
        "170d3236313132353132303030305a 170d3236313132363132303030305a"
        "3035 3033 0214 41000102030405060708090a0b0c0d0e0f101112"
        "170d3236313132353031303230335a 300c300a0603551d1504030a0101"
        "a02f302d 301f0603551d23 0418 30168014 6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b"
        "300a0603551d14 0403 020105"
    ).hex(" ")


def test_no_entries_leave_the_list_out():
    crl = read()
    assert len(crl) == 0
    assert [each.oid.dotted_string for each in crl.extensions] == ["2.5.29.35", "2.5.29.20"]
    assert crl.next_update_utc == datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("serial", "number"),
    [
        (b"", 0),
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x80", 128),
        (bytes(18) + b"\x01\x02", 258),
        (b"\x00\x80" + bytes(18), 0x80 << 144),
        (b"\xff" * 20, (1 << 160) - 1),
        (SERIAL, int.from_bytes(SERIAL, "big")),
    ],
)
def test_serials_of_any_width_are_numbers(serial, number):
    crl = read((serial, THIS, RevocationReason.SUPERSEDED))
    assert [each.serial_number for each in crl] == [number]


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        (at(1970, 1, 1), b"\x17\x0d700101000000Z"),
        (at(2049, 12, 31, 23, 59, 59) + 999_999, b"\x17\x0d491231235959Z"),
        (at(2050, 1, 1), b"\x18\x0f20500101000000Z"),
        (at(9999, 12, 31, 23, 59, 59), b"\x18\x0f99991231235959Z"),
    ],
)
def test_times_change_their_form_with_the_year_2050(moment, octets):
    tbs = encode_tbs(ISSUER, fields(), [(SERIAL, moment, RevocationReason.UNSPECIFIED)])
    assert tbs.count(octets) == 1
    summary = fields(this_update_us=moment - SECOND_US, next_update_us=moment)
    assert encode_tbs(ISSUER, summary, []).count(octets) == 1


@pytest.mark.parametrize("reason", RevocationReason)
def test_reasons_are_those_of_the_library(reason):
    (entry,) = read((SERIAL, THIS, reason))
    if reason is RevocationReason.UNSPECIFIED:
        assert not list(entry.extensions)
        return
    found = entry.extensions.get_extension_for_class(x509.CRLReason)
    assert found.value.reason.value == reason.value
    assert not found.critical


def test_reasons_may_come_as_texts_from_a_record():
    (entry,) = read((SERIAL, THIS, "keyCompromise"))
    assert next(iter(entry.extensions)).value.reason is x509.ReasonFlags.key_compromise


def test_a_partition_and_its_delta_name_their_scope():
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(URL)], None, None, None)
    crl = read(distribution_point=URL, freshest_url=URL)
    scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert scope.critical
    assert scope.value == x509.IssuingDistributionPoint(
        point.full_name, None, False, False, None, False, False
    )
    assert crl.extensions.get_extension_for_class(x509.FreshestCRL).value == x509.FreshestCRL(
        [point]
    )
    delta = read((SERIAL, THIS, REMOVE_FROM_CRL), base_number=3, distribution_point=URL)
    base = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (base.critical, base.value.crl_number) == (True, 3)
    assert [next(iter(each.extensions)).value.reason for each in delta] == [
        x509.ReasonFlags.remove_from_crl
    ]


def test_the_encoding_equals_the_builders():
    # Those of uncommon form are written first.
    moments = [at(1999, 12, 31, 23, 59, 59), at(2060, 5, 6, 7, 8, 9), THIS]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(NAME)
        .last_update(datetime.fromtimestamp(THIS // SECOND_US, UTC))
        .next_update(datetime.fromtimestamp(NEXT // SECOND_US, UTC))
        .add_extension(x509.AuthorityKeyIdentifier(b"k" * 20, None, None), critical=False)
        .add_extension(x509.CRLNumber(1 << 128), critical=False)
    )
    for number, moment in enumerate(moments):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(int.from_bytes(SERIAL, "big") + number)
            .revocation_date(datetime.fromtimestamp(moment // SECOND_US, UTC))
            .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
            .build()
        )
    entries = [
        (
            (int.from_bytes(SERIAL, "big") + number).to_bytes(20, "big"),
            moment,
            RevocationReason.SUPERSEDED,
        )
        for number, moment in enumerate(moments)
    ]
    ours = encode_tbs(ISSUER, fields(number=1 << 128), entries)
    assert ours == builder.sign(KEY, hashes.SHA256()).tbs_certlist_bytes


ENTRIES = st.tuples(
    st.binary(max_size=20) | st.binary(min_size=20, max_size=20),
    st.integers(0, at(9999, 12, 31)) | st.integers(at(2001, 9, 1), at(2050, 1, 2)),
    st.sampled_from(sorted(CODES)),
)


@given(
    entries=st.lists(ENTRIES, max_size=8),
    number=st.integers(1, (1 << 159) - 1),
    scope=st.sampled_from([None, URL]),
)
def test_what_is_written_is_read_again(entries, number, scope):
    wanted = fields(number=number, base_number=number // 2, distribution_point=scope)
    tbs = encode_tbs(ISSUER, wanted, entries)
    summary = decode_tbs(tbs)
    assert summary.number == number
    assert summary.base_number == number // 2
    assert summary.distribution_point == scope
    assert summary.this_update_us == THIS
    assert summary.next_update_us == NEXT
    assert summary.has_entries == bool(entries)
    assert (summary.issuer_der, summary.algorithm_der) == (ISSUER.issuer_der, ECDSA_SHA256)
    assert summary.key_identifier == b"k" * 20
    library = x509.load_der_x509_crl(seal(tbs, algorithm_der=ECDSA_SHA256, signature=b"s"))
    written = [
        (
            each.serial_number,
            int(each.revocation_date_utc.timestamp()),
            next((one.value.reason.value for one in each.extensions), "unspecified"),
        )
        for each in library
    ]
    assert sorted(written) == sorted(
        (int.from_bytes(serial, "big"), at_us // SECOND_US, reason)
        for serial, at_us, reason in entries
    )


@pytest.mark.parametrize("rare", [[], [0], [999], [1000], [1500, 2999]])
def test_many_entries_are_all_written_whatever_stands_among_them(rare):
    entries = [
        (
            b"\x7f" if place in rare else ((0x41 << 152) + place).to_bytes(20, "big"),
            THIS - place * SECOND_US,
            "superseded",
        )
        for place in range(3000)
    ]
    crl = read(*entries)
    assert sorted(each.serial_number for each in crl) == sorted(
        int.from_bytes(serial, "big") for serial, _, _ in entries
    )
    tbs = encode_tbs(ISSUER, fields(), iter(entries))
    assert decode_tbs(tbs).has_entries
    assert tbs == crl.tbs_certlist_bytes


def test_a_rare_entry_after_common_ones_is_read_in_its_place():
    common = [(SERIAL, THIS, RevocationReason.SUPERSEDED)] * 3
    rare = (b"\x80" + bytes(4), 0, RevocationReason.AA_COMPROMISE)
    tbs = encode_tbs(ISSUER, fields(), [*common, rare, *common])
    assert decode_tbs(tbs).has_entries


@pytest.mark.parametrize(
    "reasons", [("superseded",), ("unspecified",), ("unspecified", "keyCompromise")]
)
def test_a_long_list_comes_in_pieces_that_can_be_read_by_themselves(reasons):
    entries = [((0x41 << 152) + place).to_bytes(20, "big") for place in range(45_000)]
    rows = [(serial, THIS, reasons[place % len(reasons)]) for place, serial in enumerate(entries)]
    rows.append((b"\x01", THIS, "superseded"))
    pieces = list(encode_pieces(ISSUER, fields(), [pack(rows[:20_000]), pack(rows[20_000:])]))
    assert len(pieces) >= 2
    assert max(map(len, pieces)) <= PART_OCTETS
    reader = TbsReader()
    for piece in pieces:
        reader.feed(piece)
    tbs = b"".join(pieces)
    assert reader.finish() == decode_tbs(tbs)
    crl = x509.load_der_x509_crl(seal(tbs, algorithm_der=ECDSA_SHA256, signature=b"s"))
    assert {each.serial_number for each in crl} == {
        int.from_bytes(serial, "big") for serial, _, _ in rows
    }
    assert len(crl) == len(rows)
