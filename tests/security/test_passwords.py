"""What is no credential: other schemes, empty and malformed ones, and guessing by the dozen."""

from __future__ import annotations

import base64

import pytest

from certctl.domain.audit import AuditAction, Counter
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, Refused, refused, untouched
from tests.harness.replacing import replace
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, GoodClient, assert_refused
from tests.unit.wire import forge

BODY = forge.request(subject=forge.name((forge.CN, "uninvited")))
WRONG = Refused(
    action=AuditAction.AUTH_FAILED_BASIC,
    reason="wrong_password",
    counter=Counter.AUTH_FAILED_BASIC,
)
CHALLENGE = 'Basic realm="est-enrollment"'


def basic(octets: bytes) -> str:
    return "Authorization: Basic " + base64.b64encode(octets).decode()


def cases(password: str) -> dict[str, str]:
    """Everything but the right thing; ``password`` is the right one."""
    right = base64.b64encode(b"device:" + password.encode()).decode()
    return {
        "wrong": basic(b"device:wrong"),
        "empty password": basic(b"device:"),
        "empty user and password": basic(b":"),
        "no colon": basic(password.encode()),
        "password as user": basic(password.encode() + b":"),
        "password and more": basic(f"device:{password}x".encode()),
        "password cut": basic(f"device:{password[:-1]}".encode()),
        "other case": basic(f"device:{password.swapcase()}".encode()),
        "blank before": basic(f"device: {password}".encode()),
        "nul after": basic(f"device:{password}\0".encode()),
        "line feed after": basic(f"device:{password}\n".encode()),
        "control character in user": basic(f"de\x1bvice:{password}".encode()),
        "not UTF-8": basic(b"device:\xff\xfe\xfd"),
        "not base64": "Authorization: Basic device:" + password,
        "base64 with blanks": f"Authorization: Basic {right[:8]} {right[8:]}",
        "no token": "Authorization: Basic",
        "Bearer": f"Authorization: Bearer {password}",
        "Bearer with the right token": f"Authorization: Bearer {right}",
        "Digest": 'Authorization: Digest username="device", realm="est-enrollment",'
        ' nonce="0", uri="/", response="00000000000000000000000000000000"',
        "Negotiate": "Authorization: Negotiate TlRMTVNTUAAB",
        "scheme glued": f"Authorization: Basic{right}",
        "two schemes": f"Authorization: Bearer, Basic {right}",
        "two headers": f"Authorization: Basic {right}\r\nAuthorization: Basic {right}",
        "a kilobyte": basic(b"device:" + b"x" * 1_000),
    }


@pytest.mark.parametrize("case", cases("right"))
def test_refused_and_on_record(server: RunningServer, password: str, case: str) -> None:
    with (
        refused(server, AuditAction.AUTH_FAILED_BASIC, "wrong_password", Counter.AUTH_FAILED_BASIC),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, BODY, cases(password)[case]))
        answer = client.answer()
        assert_refused(answer, 401, "HTTP Basic")
        assert answer.headers["www-authenticate"] == CHALLENGE
        assert password not in answer.text


@pytest.mark.parametrize(
    "line",
    [
        "Authorization:",
        "Proxy-Authorization: Basic ZGV2aWNlOnB3",
        "Cookie: session=1",
        "X-Api-Key: key",
        "X-SSL-Client-Cert: -----BEGIN%20CERTIFICATE-----",
        "Client-Cert: :MIIB:",
    ],
)
def test_no_credential_is_challenged_and_not_recorded(server: RunningServer, line: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(post(ENROLL, BODY, line, "Accept: */*"))
        answer = client.answer()
        assert_refused(answer, 401)
        assert answer.headers["www-authenticate"] == CHALLENGE


def test_the_texts_of_all_refusals_are_the_same(server: RunningServer, password: str) -> None:
    """Nobody learns how near a guess was."""
    ledger = Ledger(server)
    texts = set()
    for line in cases(password).values():
        with RawClient(server) as client:
            client.send(post(ENROLL, BODY, line))
            texts.add(client.answer().text.rpartition("request-id")[0])
    assert len(texts) == 1
    ledger.expect(replace(WRONG, times=len(cases(password))))


def test_guessing_harms_nobody_and_each_guess_counts(
    server: RunningServer, good_client: GoodClient
) -> None:
    guesses, limit = 300, 10
    locked_out = replace(WRONG, reason="locked_out", times=guesses - limit)
    ledger = Ledger(server)
    with good_client, RawClient(server, source="127.0.0.6") as client:
        for number in range(guesses):
            client.send(post(ENROLL, BODY, basic(b"device:guess-%d" % number)))
            assert_refused(client.answer(), 401 if number < limit else 429)
    ledger.expect(replace(WRONG, times=limit), locked_out, issued=good_client.enrolled)
