"""What the responder answers, what it keeps, and what it forgets in time."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import OcspError, Revoked, Standing
from certctl.domain.revocation import RevocationReason
from certctl.issuers.ocsp_answers import ANSWER_VALIDITY_US, OcspAnswers
from certctl.issuers.responder import Responder
from certctl.issuers.signers.file import KeyType
from certctl.wire.der import SEQUENCE, encode
from certctl.wire.ocsp_request import OcspIssuer
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import spki_of
from tests.unit.issuers.test_local_sign import CA_KEYS, ca_certificate, local_ca
from tests.unit.trust.pki import NOW_US
from tests.unit.wire.test_ocsp_request import nonce, request, single

KEY = CA_KEYS[KeyType.P256]
CA = local_ca(KEY)
ISSUER = OcspIssuer(issuer_der=ca_certificate(CA).subject.public_bytes(), spki_der=spki_of(KEY))
OTHER = OcspIssuer(issuer_der=b"\x30\x00", spki_der=spki_of(KEY))
RESPONDER, _ = Responder.make(CA, now_us=NOW_US, validity_us=30 * DAY_US)
GOOD, BAD, NEVER = "41" + "00" * 19, "42" + "00" * 19, "43" + "00" * 19
STANDINGS: dict[str, Any] = {
    GOOD: Standing.GOOD,
    BAD: Revoked(NOW_US - SECOND_US, RevocationReason.KEY_COMPROMISE),
}


def asked(*serials: str, issuer: OcspIssuer = ISSUER, form: int = 0, **changes: Any):
    return request(*(single(issuer.cert_ids(serial)[form]) for serial in serials), **changes)


@pytest.fixture
def answers():
    return OcspAnswers(ISSUER, RESPONDER)


def give(answers, octets, *, now_us=NOW_US, epoch=None):
    epoch = answers.epoch if epoch is None else epoch
    return answers.answer(answers.read(octets), STANDINGS, now_us=now_us, epoch=epoch)


def statuses(answer):
    read = ocsp.load_der_ocsp_response(answer.der)
    return [each.certificate_status.name for each in read.responses]


def refused(answers, octets):
    with pytest.raises(OcspRefused) as caught:
        answers.read(octets)
    return caught.value.error


def test_what_cannot_be_answered_is_refused(answers):
    assert refused(answers, b"garbage") is OcspError.MALFORMED_REQUEST
    assert refused(answers, asked(GOOD, extensions=nonce(0))) is OcspError.MALFORMED_REQUEST
    assert refused(answers, asked(GOOD, extensions=nonce(129))) is OcspError.MALFORMED_REQUEST
    assert refused(answers, asked(GOOD, issuer=OTHER)) is OcspError.UNAUTHORIZED
    assert refused(answers, asked(GOOD, BAD, issuer=OTHER)) is OcspError.UNAUTHORIZED


@pytest.mark.parametrize("after_us", [-2 * DAY_US, 30 * DAY_US], ids=["before", "after"])
def test_outside_its_validity_a_responder_says_try_later(answers, after_us):
    with pytest.raises(OcspRefused) as caught:
        give(answers, asked(GOOD), now_us=NOW_US + after_us)
    assert caught.value.error is OcspError.TRY_LATER


@pytest.mark.parametrize("form", range(4))
@pytest.mark.parametrize(
    ("serial", "status"), [(GOOD, "GOOD"), (BAD, "REVOKED"), (NEVER, "UNKNOWN")]
)
def test_each_standing_is_signed_and_accepted_by_pkilint(answers, tmp_path, serial, status, form):
    answer = give(answers, asked(serial, form=form))
    read = ocsp.load_der_ocsp_response(answer.der)
    assert read.certificate_status.name == status
    signer: Any = read.certificates[0].public_key()
    signer.verify(read.signature, read.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    assert read.certificates[0].serial_number != read.serial_number == int(serial, 16)
    if form % 2 == 0:
        assert findings("lint_ocsp_response", answer.der, tmp_path) == ""


def test_pkilint_is_a_judge_that_can_say_no(answers, tmp_path):
    broken = give(answers, asked(GOOD)).der.replace(b"20261123120000Z", b"20261323120000Z")
    assert findings("lint_ocsp_response", broken, tmp_path)


@pytest.mark.parametrize("count", [1, 32, 128])
def test_a_nonce_comes_back_and_such_an_answer_is_given_once(answers, count):
    octets = asked(GOOD, extensions=nonce(count))
    answer = give(answers, octets)
    read = ocsp.load_der_ocsp_response(answer.der)
    assert [each.value.nonce for each in read.extensions] == [b"n" * count]
    assert answer.max_age_s(NOW_US) == 0
    assert answers.kept(octets, now_us=NOW_US) is None
    assert answers.kept(asked(GOOD), now_us=NOW_US) is None


def test_several_certificates_are_all_answered(answers):
    octets = encode(
        SEQUENCE,
        encode(
            SEQUENCE,
            encode(
                SEQUENCE,
                single(ISSUER.cert_ids(BAD)[2]),
                single(OTHER.cert_ids(GOOD)[0]),
                single(ISSUER.cert_ids(GOOD)[0]),
                single(ISSUER.cert_ids(NEVER)[0]),
            ),
        ),
    )
    answer = give(answers, octets)
    assert statuses(answer) == ["REVOKED", "UNKNOWN", "GOOD", "UNKNOWN"]
    assert answer.max_age_s(NOW_US) == 0
    assert answers.kept(asked(GOOD), now_us=NOW_US) is None


def test_an_answer_is_kept_until_a_quarter_of_its_time_is_left(answers):
    assert answers.kept(asked(GOOD), now_us=NOW_US) is None
    answer = give(answers, asked(GOOD))
    fresh_us = ANSWER_VALIDITY_US * 3 // 4
    assert answer.next_update_us == NOW_US + ANSWER_VALIDITY_US
    for after_us in (0, fresh_us - 1):
        assert answers.kept(asked(GOOD), now_us=NOW_US + after_us) is answer
        assert answers.kept_for_serial(GOOD, now_us=NOW_US + after_us) is answer
    for after_us in (-1, fresh_us, ANSWER_VALIDITY_US):
        assert answers.kept(asked(GOOD), now_us=NOW_US + after_us) is None
        assert answers.kept_for_serial(GOOD, now_us=NOW_US + after_us) is None
    assert answer.max_age_s(NOW_US) == fresh_us // SECOND_US
    assert answer.max_age_s(NOW_US + fresh_us) == 0
    assert answers.kept(asked(GOOD, form=2), now_us=NOW_US) is None, "asked in another way"


def test_unknown_is_never_kept(answers):
    answer = give(answers, asked(NEVER))
    assert answer.max_age_s(NOW_US) == 0
    assert answers.kept(asked(NEVER), now_us=NOW_US) is None


def test_a_change_of_status_is_never_answered_from_before(answers):
    for form in range(4):
        give(answers, asked(GOOD, form=form))
    give(answers, asked(BAD))
    answers.forget(GOOD)
    for form in range(4):
        assert answers.kept(asked(GOOD, form=form), now_us=NOW_US) is None
    assert answers.kept(asked(BAD), now_us=NOW_US) is not None
    answers.forget_all()
    assert answers.kept(asked(BAD), now_us=NOW_US) is None


def test_a_status_read_before_a_change_is_not_kept_after_it(answers):
    before = answers.epoch
    answers.forget(GOOD)
    late = give(answers, asked(GOOD), epoch=before)
    assert statuses(late) == ["GOOD"]
    assert late.max_age_s(NOW_US) == 0
    assert answers.kept(asked(GOOD), now_us=NOW_US) is None


def test_a_cert_id_in_a_form_that_would_not_be_forgotten_is_not_answered(answers):
    odd = ISSUER.cert_ids(GOOD)[0].replace(b"\x05\x00", b"\x04\x00", 1)
    assert refused(answers, request(single(odd))) is OcspError.UNAUTHORIZED


def test_the_oldest_answers_make_room():
    answers = OcspAnswers(ISSUER, RESPONDER, max_kept=2)
    for form in range(3):
        give(answers, asked(GOOD, form=form))
    kept = [answers.kept(asked(GOOD, form=form), now_us=NOW_US) for form in range(3)]
    assert [each is not None for each in kept] == [False, True, True]


def test_after_a_rotation_the_new_responder_signs(answers):
    old = give(answers, asked(GOOD))
    following, _ = Responder.make(CA, now_us=NOW_US, validity_us=DAY_US)
    answers.use(following)
    assert answers.kept(asked(GOOD), now_us=NOW_US) is None
    new = give(answers, asked(GOOD))
    names = [ocsp.load_der_ocsp_response(each.der).responder_key_hash for each in (old, new)]
    assert names == [RESPONDER.name, following.name]
    assert new.etag != old.etag


def test_no_answer_outlives_its_responder():
    end_us = RESPONDER.not_after_us
    answer = give(OcspAnswers(ISSUER, RESPONDER), asked(GOOD), now_us=end_us - 60 * SECOND_US)
    assert answer.next_update_us == end_us
    assert answer.max_age_s(end_us - 60 * SECOND_US) == 45
