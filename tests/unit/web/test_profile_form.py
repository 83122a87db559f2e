"""Certificate profiles as forms: every field is there, and what a form shows it gives back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certctl.domain.policy import CertificateProfile
from certctl.settings.certificate_profiles import load_certificate_profiles, profile_of_document
from certctl.settings.profile_fields import FIELD_NAMES
from certctl.settings.profile_written import written
from certctl.web.api.problems import FieldFault
from certctl.web.ui.profile_form import (
    KINDS,
    defaults,
    document_of,
    faults_of,
    other_faults,
    shows_all,
    texts,
)

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "certificate-profiles"

FULL = {
    "name": "All of it",
    "description": "each field other than its default",
    "enabled": False,
    "allowed_key_algorithms": [
        {"algorithm": "RSA", "min_size": 3072},
        {"algorithm": "ECDSA", "min_size": 384},
        {"algorithm": "Ed25519"},
        {"algorithm": "ML-DSA-65"},
    ],
    "allowed_ekus": ["serverAuth", "1.2.3.4"],
    "allowed_san_types": ["dns", "ip"],
    "required_san_patterns": [r"dns:[a-z]+\.example", "ip:192[.].*"],
    "required_subject_patterns": {"CN": "a=b", "1.2.3": ".*"},
    "max_sans": 3,
    "max_ttl_seconds": 86400,
    "backdate_seconds": 0,
    "ttl_jitter_percent": 10,
    "must_staple": True,
    "required_csr_attributes": ["serialNumber", "challengePassword", "1.2.3.4"],
    "name_constraints": {"permitted": ["dns:example"], "excluded": ["ip:192.0.2.0/24"]},
    "permitted_subject_bases": [r"OU=Sen\,sors,O=Acme,C=DE"],
    "requires_approval": True,
    "approvals_needed": 2,
    "allow_key_reuse": True,
    "cn_as_san": True,
    "allow_subject_change": True,
    "lint": "warn",
}


def test_the_form_and_the_written_form_have_every_field():
    assert {name.partition(".")[0] for name in KINDS} == set(FIELD_NAMES)
    assert set(written(CertificateProfile(id="cp"))) == set(FIELD_NAMES)


def test_what_was_written_comes_back_as_it_was_written():
    profile = profile_of_document("cp", json.dumps(FULL))
    assert written(profile) == FULL
    assert document_of(texts(profile)) == FULL
    assert shows_all(profile)


@pytest.mark.parametrize(
    "profile", load_certificate_profiles(EXAMPLES).values(), ids=lambda each: each.id
)
def test_the_examples_survive_the_form(profile: CertificateProfile):
    assert shows_all(profile)


def test_what_says_its_default_is_left_out_and_what_is_not_sent_is_a_fault():
    assert document_of(defaults()) == {}
    assert document_of({**defaults(), "allowed_ekus": ""}) == {"allowed_ekus": []}
    missing = {name: text for name, text in defaults().items() if name != "enabled"}
    assert document_of(missing) == {"enabled": ""}


def test_white_space_of_pasting_changes_nothing():
    pasted = {**defaults(), "allowed_ekus": "\r\n clientAuth \r\n\r\n", "max_sans": " 20 "}
    assert document_of(pasted) == {}


@pytest.mark.parametrize(
    "document",
    [
        {"required_san_patterns": ["dns:a\nb"]},
        {"required_san_patterns": ["dns:a "]},
        {"required_subject_patterns": {"CN": " a"}},
        {"required_san_patterns": ["dns:a\u202eb"]},
    ],
)
def test_what_the_form_would_change_is_not_offered_for_change(document: dict[str, object]):
    assert not shows_all(profile_of_document("cp", json.dumps(document)))


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("body.id", "id"),
        ("body.document.max_sans", "max_sans"),
        ("body.document.required_subject_patterns.CN", "required_subject_patterns"),
        ("body.document.name_constraints.excluded", "name_constraints.excluded"),
        ("body.document.name_constraints", "name_constraints.permitted"),
    ],
)
def test_a_fault_belongs_to_its_field(field: str, place: str):
    fault = FieldFault(field=field, problem="too much")
    assert faults_of(place, [fault]) == ("too much",)
    assert not faults_of("max_ttl_seconds", [fault])
    assert other_faults([fault]) == []


def test_a_fault_of_no_field_is_told_for_the_whole():
    fault = FieldFault(field="body.document", problem="longer than 65536 octets")
    assert other_faults([fault]) == ["longer than 65536 octets"]
