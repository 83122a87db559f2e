"""The inventory through the ports: every filter, the orders, and paging without loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.ids import sortable_id
from certctl.domain.inventory import (
    CertificateFilter,
    CursorRefused,
    NameMatch,
    WantedStatus,
)
from certctl.domain.revocation import RevocationReason
from certctl.store import cursors
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest, event

HOUR = DAY // 24
LATER = NOW + 2 * DAY


def named(number: int, common_name: str | None = None, **changes: Any) -> CertificateRecord:
    """Issued ``number`` hours after NOW, with a subject that is one."""
    cn = common_name or f"Device-{number}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    issued_us = changes.pop("issued_us", NOW + number * HOUR)
    given = {
        "id": sortable_id(issued_us, lambda count: number.to_bytes(count, "big")),
        "issued_us": issued_us,
        "subject": f"CN={cn}",
        "subject_der": subject.public_bytes(),
        "sans": (f"dns:{cn.lower()}.example.org",),
        "not_after_us": NOW + 3 * DAY + number * HOUR,
    }
    return certificate(number, **(given | changes))


ROWS = {
    "plain": named(1),
    "profile": named(2, profile="iot"),
    "legacy": named(3, profile=""),
    "rules": named(4, certificate_profile="cp-iot"),
    "issuer": named(5, issuer_id="iss-other"),
    "revoked": named(6),
    "held": named(7),
    "expired": named(8, not_after_us=NOW + HOUR),
    "api": named(9, source=CertificateSource.API, principal="", sans=()),
    "tenant": named(10, tenant="acme"),
    "sensor": named(11, "Sensor 11", sans=("uri:urn:dev:11", "ip:192.0.2.11", "upn:x@corp")),
    "fleet": named(12, principal="Fleet"),
    "renewal": named(13, renews=named(1).id),
    "quote": named(14, "O'Brien\"; --", principal="100%_\\"),
}


def only(*names: str) -> list[str]:
    return [ROWS[name].id for name in names]


def but(*names: str) -> list[str]:
    return [row.id for name, row in ROWS.items() if name not in names]


@pytest.fixture
def stocked(pair: Pair) -> Pair:
    with pair.store.transaction() as transaction:
        transaction.record_certificates([*ROWS.values()])
        for name, reason in (
            ("revoked", RevocationReason.KEY_COMPROMISE),
            ("held", RevocationReason.CERTIFICATE_HOLD),
        ):
            transaction.revoke_certificates([ROWS[name].id], NOW + 5, reason)
    return pair


def found(pair: Pair, wanted: CertificateFilter, **how: Any) -> list[str]:
    page = pair.records.search(wanted, LATER, **how)
    assert page.cursor is None
    return [row.id for row in page.rows]


def text(value: str) -> NameMatch:
    return NameMatch.parse(value)


FILTERS: dict[str, tuple[dict[str, Any], Iterable[str]]] = {
    "nothing": ({}, but()),
    "cn": ({"cn": text("DEVICE-1")}, only("plain")),
    "cn is not a SAN": ({"cn": text("device-1.example.org")}, ()),
    "cn is not a principal": ({"cn": text("Fleet")}, ()),
    "san": ({"san": text("Device-1.Example.org")}, only("plain")),
    "san with its kind": ({"san": NameMatch.parse_san("dns:device-1.example.org")}, only("plain")),
    "san is not a CN": ({"san": text("Sensor 11")}, ()),
    "san uri": ({"san": NameMatch.parse_san("uri:urn:dev:11")}, only("sensor")),
    "san uri without kind": ({"san": NameMatch.parse_san("urn:dev:11")}, only("sensor")),
    "san address": ({"san": NameMatch.parse_san("192.0.2.11")}, only("sensor")),
    "san prefix": ({"san": text("urn:dev:*")}, only("sensor")),
    "cn prefix": ({"cn": text("sens*")}, only("sensor")),
    "no such name": ({"cn": text("device")}, ()),
    "principal": ({"principal": text("Fleet")}, only("fleet")),
    "principal in another case": ({"principal": text("fleet")}, ()),
    "principal prefix": ({"principal": text("flee*")}, only("fleet")),
    "serial": ({"serial": ROWS["plain"].serial}, only("plain")),
    "serial padded": ({"serial": "00" + ROWS["plain"].serial.upper()}, only("plain")),
    "no serial": ({"serial": "device"}, ()),
    "serial too long": ({"serial": "f" * 60}, ()),
    "fingerprint": ({"fingerprint": ROWS["issuer"].fingerprint}, only("issuer")),
    "another fingerprint": ({"fingerprint": digest("none")}, ()),
    "key": ({"spki_sha256": ROWS["issuer"].spki_sha256}, only("issuer")),
    "profile": ({"profile": "iot"}, only("profile")),
    "legacy profile": ({"profile": ""}, only("legacy")),
    "one of profiles": ({"profiles": ("iot", "")}, only("profile", "legacy")),
    "one of profiles, by name": ({"profiles": ("iot",), "cn": text("dev*")}, only("profile")),
    "one of profiles, one named": ({"profiles": ("iot", ""), "profile": ""}, only("legacy")),
    "one of profiles, another named": ({"profiles": ("iot",), "profile": ""}, ()),
    "certificate profile": ({"certificate_profile": "cp-iot"}, only("rules")),
    "issuer": ({"issuer_id": "iss-other"}, only("issuer")),
    "group": (
        {"profile": "demo", "certificate_profile": "default", "issuer_id": "iss-local"},
        but("profile", "legacy", "rules", "issuer"),
    ),
    "valid": ({"status": WantedStatus.VALID}, but("revoked", "held", "expired")),
    "revoked, a hold too": ({"status": WantedStatus.REVOKED}, only("revoked", "held")),
    "hold": ({"status": WantedStatus.HOLD}, only("held")),
    "expired": ({"status": WantedStatus.EXPIRED}, only("expired")),
    "expires before": ({"expires_before_us": NOW + 3 * DAY}, only("expired")),
    "expires within": (
        {"expires_from_us": NOW + 3 * DAY + HOUR, "expires_before_us": NOW + 3 * DAY + 3 * HOUR},
        only("plain", "profile"),
    ),
    "issued from": ({"issued_from_us": NOW + 13 * HOUR}, only("renewal", "quote")),
    "issued before": ({"issued_before_us": NOW + 2 * HOUR}, only("plain")),
    "issued before all time": ({"issued_before_us": -1}, ()),
    "source": ({"source": CertificateSource.API}, only("api")),
    "source EST": ({"source": CertificateSource.EST}, but("api")),
    "tenant": ({"tenant": "acme"}, only("tenant")),
    "all together": (
        {
            "cn": text("device-1*"),
            "san": text("device-12.*"),
            "principal": text("Fleet"),
            "profile": "demo",
            "certificate_profile": "default",
            "issuer_id": "iss-local",
            "status": WantedStatus.VALID,
            "source": CertificateSource.EST,
            "expires_from_us": NOW,
            "issued_from_us": NOW,
            "serial": ROWS["fleet"].serial,
            "fingerprint": ROWS["fleet"].fingerprint,
            "spki_sha256": ROWS["fleet"].spki_sha256,
        },
        only("fleet"),
    ),
    "all but one": ({"principal": text("Fleet"), "profile": "iot"}, ()),
    "quotes and comments": ({"cn": text("O'Brien\"; --")}, only("quote")),
    "wildcards of SQL are letters": ({"principal": text("100%_\\")}, only("quote")),
    "wildcards of SQL match nothing": ({"principal": text("%")}, ()),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_finds_what_it_says(stocked: Pair, name: str):
    given, expected = FILTERS[name]
    assert sorted(found(stocked, CertificateFilter(**given))) == sorted(expected)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"profile": "demo"},
        {"status": WantedStatus.VALID},
        {"source": CertificateSource.EST, "issuer_id": "iss-local"},
        {"cn": text("device-1*")},
        {"san": text("*")},
        {"expires_from_us": NOW},
        {"expires_from_us": NOW, "cn": text("Device-1")},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", [{}, {"oldest_first": True}], ids=str)
def test_pages_of_any_size_make_the_same_list(
    stocked: Pair, given: dict[str, Any], how: dict[str, bool]
):
    wanted = CertificateFilter(**given)
    whole = found(stocked, wanted, **how)
    assert len(set(whole)) == len(whole) > 0
    for limit in (1, 2, 3):
        pieces: list[str] = []
        cursor = None
        while True:
            page = stocked.records.search(wanted, LATER, limit=limit, cursor=cursor, **how)
            assert len(page.rows) <= limit
            pieces += [row.id for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                break
        assert pieces == whole


def test_the_filter_decides_on_the_order(stocked: Pair):
    newest = found(stocked, CertificateFilter(profile="demo"))
    assert newest == sorted(newest, reverse=True)
    assert found(stocked, CertificateFilter(profile="demo"), oldest_first=True) == newest[::-1]
    by_name = found(stocked, CertificateFilter(cn=text("device-1*")))
    assert by_name == only("plain", "tenant", "fleet", "renewal")
    by_expiry = found(stocked, CertificateFilter(expires_from_us=NOW, profile="demo"))
    assert by_expiry[:2] == only("expired", "plain")


def test_what_comes_meanwhile_moves_no_page(stocked: Pair):
    first = stocked.records.search(CertificateFilter(), LATER, limit=3)
    with stocked.store.transaction() as transaction:
        transaction.record_certificates([named(40)])
    second = stocked.records.search(CertificateFilter(), LATER, limit=3, cursor=first.cursor)
    assert [row.id for row in first.rows + second.rows] == but()[::-1][:6]


def test_a_certificate_with_two_such_names_is_listed_once(pair: Pair):
    both = named(1, sans=("dns:a.example.org", "dns:aa.example.org", "email:A@example.org"))
    with pair.store.transaction() as transaction:
        transaction.record_certificates([both])
    assert found(pair, CertificateFilter(san=text("a*"))) == [both.id]


def test_a_long_name_is_found_by_its_beginning(pair: Pair):
    uri = "urn:" + "x" * 900
    with pair.store.transaction() as transaction:
        transaction.record_certificates([named(1, sans=(f"uri:{uri}",))])
    assert found(pair, CertificateFilter(san=text(uri))) == [named(1).id]
    assert found(pair, CertificateFilter(san=text("urn:xxx*"))) == [named(1).id]


@pytest.mark.parametrize(
    "cursor", ["x", "", "ü", "AAAA", "' OR 1=1 --", "k" * 5_000], ids=lambda each: each[:12]
)
def test_what_is_no_cursor_is_refused(stocked: Pair, cursor: str):
    if not cursor:
        assert stocked.records.search(CertificateFilter(), LATER, cursor=cursor).rows
        return
    with pytest.raises(CursorRefused):
        stocked.records.search(CertificateFilter(), LATER, cursor=cursor)


@pytest.mark.parametrize(
    "place",
    [(1 << 63, "0"), (0, "a\0b"), (0, "0" * 65), (b"a", "0")],
    ids=["too large", "NUL", "long", "of another order"],
)
def test_a_forged_place_is_refused_before_the_database(stocked: Pair, place: tuple[int, str]):
    cursor = cursors.write(place, CertificateFilter(), oldest_first=False)
    with pytest.raises(CursorRefused):
        stocked.records.search(CertificateFilter(), LATER, cursor=cursor)


def test_a_cursor_is_good_for_its_own_list_alone(stocked: Pair):
    cursor = stocked.records.search(CertificateFilter(), LATER, limit=1).cursor
    with pytest.raises(CursorRefused):
        stocked.records.search(CertificateFilter(profile="demo"), LATER, cursor=cursor)
    with pytest.raises(CursorRefused):
        stocked.records.search(CertificateFilter(), LATER, cursor=cursor, oldest_first=True)


def test_renewals_and_a_release_are_found(stocked: Pair):
    old = ROWS["plain"].id
    assert [each.id for each in stocked.records.renewals_of(old)] == only("renewal")
    assert stocked.records.renewals_of(ROWS["renewal"].id) == []
    held = ROWS["held"].id
    assert stocked.records.released_us(held) is None
    with stocked.store.transaction() as transaction:
        transaction.release_certificates([held], NOW + 9)
    assert stocked.records.released_us(held) == NOW + 9
    record = stocked.records.certificate(held)
    assert record is not None
    assert (record.status, record.revoked_us, record.revocation_reason) == ("valid", None, None)
    assert found(stocked, CertificateFilter(status=WantedStatus.HOLD)) == []


def test_a_certificates_events_are_found(stocked: Pair):
    told = [
        event(1, resource_id=ROWS["plain"].id),
        event(2, resource_id=ROWS["held"].id),
        event(3, resource_id=ROWS["plain"].id, resource_type="request"),
        event(4, resource_id=ROWS["plain"].id),
    ]
    with stocked.store.transaction() as transaction:
        transaction.append_events(told)
    assert [each.seq for each in stocked.records.events_about(ROWS["plain"].id)] == [1, 4]
    assert stocked.records.events_about("") == []


def test_inside_a_transaction_lines_and_numbers_are_read(stocked: Pair):
    plain = ROWS["plain"]
    with stocked.store.transaction() as transaction:
        assert set(transaction.summaries([plain.id, "absent"])) == {plain.id}
        taken = transaction.serials_on_record(["0" + plain.serial, "abc", "f" * 60])
    assert taken == {(plain.issuer_id, plain.serial): plain.fingerprint}
    assert set(stocked.records.summaries([plain.id, "absent"])) == {plain.id}
