"""Written certificate profiles: every fault is told at once, with its file and field."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile, LintMode
from certctl.domain.san import SanKind
from certctl.settings.certificate_profiles import (
    CertificateProfilesRefused,
    document_of_file,
    load_certificate_profiles,
    profile_of_document,
)
from certctl.settings.findings import Finding
from certctl.settings.profile_fields import FIELDS
from certctl.settings.profile_reference import reference
from tests.unit.settings.rig import Load, Refuse

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = DOCS / "examples" / "certificate-profiles"


def faults_of(**table: Any) -> tuple[Finding, ...]:
    with pytest.raises(CertificateProfilesRefused) as caught:
        profile_of_document("cp", json.dumps(table))
    return caught.value.findings


def made_of(**table: Any) -> CertificateProfile:
    return profile_of_document("cp", json.dumps(table))


BAD: dict[str, list[Any]] = {
    "allowed_key_algorithms": [
        [{"algorithm": "DSA"}],
        [{"algorithm": "RSA", "min_size": 1024}],
        [{"algorithm": "RSA", "min_size": 8193}],
        [{"algorithm": "ECDSA", "min_size": 224}],
        [{"algorithm": "ECDSA", "min_size": 0}],
        [{"algorithm": "Ed25519", "min_size": 256}],
        [{"algorithm": "RSA", "min_size": True}],
        [{"algorithm": "RSA", "size": 2048}],
        ["RSA"],
        "RSA",
    ],
    "allowed_ekus": [["clientauth"], ["1.2.3.x"], ["1"], ["3.1.1"], [" 1.2.3"], [5], "clientAuth"],
    "allowed_san_types": [["DNS"], ["otherName"], ["directoryName"], [None]],
    "required_san_patterns": [
        ["[a-z]+"],
        ["dns:("],
        [r"dns:(?=look)ahead"],
        [r"dns:(a)\1"],
        ["dns:(((a{100}){100}){100})"],
        ["dns:" + "a" * 513],
        ["hardwareModuleName:a"],
        ["dns:a"] * 65,
    ],
    "max_sans": [-1, 1001, "20", 1.5, True],
    "max_ttl_seconds": [-1, 10**12],
    "backdate_seconds": [-1, 86_400 * 31],
    "ttl_jitter_percent": [-1, 51],
    "must_staple": ["yes", 1],
    "required_csr_attributes": [["deviceSerial"], ["1.2.-3"]],
    "permitted_subject_bases": [["no name"], [""], ["XX=1"]],
    "approvals_needed": [0, 10],
    "lint": ["on", True],
    "name": ["a\nb", "a" * 201, 5],
    "enabled": ["true"],
    "name_constraints": [[], "dns:a"],
    "required_subject_patterns": [[], "CN=a"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_bad_value_is_refused_with_its_field_and_what_is_allowed(field, value):
    (fault, *_) = faults_of(**{field: value})
    assert fault.variable == "certificate profile cp"
    assert fault.problem.startswith(field)
    assert fault.allowed
    assert fault.remedy
    assert fault.came


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"name_constraints": {"permitted": ["example.com"]}}, "name_constraints.permitted"),
        ({"name_constraints": {"permitted": ["ip:10.0.0.1/8"]}}, "name_constraints.permitted"),
        ({"name_constraints": {"excluded": ["dns:.example"]}}, "name_constraints.excluded"),
        ({"name_constraints": {"excluded": ["upn:a"]}}, "name_constraints.excluded"),
        ({"name_constraints": {"forbidden": []}}, "name_constraints."),
        ({"required_subject_patterns": {"CommonName": "a"}}, "required_subject_patterns"),
        ({"required_subject_patterns": {"CN": "["}}, "required_subject_patterns.CN"),
        ({"required_subject_patterns": {"CN": "a", "2.5.4.3": "b"}}, "required_subject_patterns"),
    ],
)
def test_tables_inside_are_judged_too(table, where):
    (fault,) = faults_of(**table)
    assert fault.problem.startswith(where)


def test_an_unknown_field_is_refused_with_its_nearest_name():
    (fault,) = faults_of(max_ttl_second=5)
    assert fault.problem == '"max_ttl_second": unknown field'
    assert fault.remedy == "did you mean max_ttl_seconds?"


@pytest.mark.parametrize("document", ["", "[]", "{", '"a"', "[" * 5000, "null"])
def test_what_is_no_json_object_is_refused(document):
    with pytest.raises(CertificateProfilesRefused):
        profile_of_document("cp", document)


@pytest.mark.parametrize("name", ["default", "", "a/b", "..", ".a", "a b", "ä", "a" * 65])
def test_an_id_that_is_none_or_taken_is_refused(name):
    with pytest.raises(CertificateProfilesRefused):
        profile_of_document(name, "{}")


def test_an_empty_document_has_the_defaults_of_the_built_in_profile():
    made = profile_of_document("cp", "{}")
    for field in fields(CertificateProfile):
        if field.name not in ("id", "digest"):
            assert getattr(made, field.name) == getattr(DEFAULT_PROFILE, field.name)


def test_every_field_is_read_into_its_place():
    made = made_of(
        id="cp",
        name="n",
        description="d",
        enabled=False,
        allowed_key_algorithms=[{"algorithm": "Ed25519"}, {"algorithm": "RSA"}],
        allowed_ekus=["serverAuth", "1.2.3.4"],
        allowed_san_types=["ip"],
        required_san_patterns=["dns:a:b"],
        required_subject_patterns={"serialNumber": "[0-9]+", "1.2.3": "x"},
        max_sans=3,
        max_ttl_seconds=31_536_000,
        backdate_seconds=0,
        ttl_jitter_percent=10,
        must_staple=True,
        required_csr_attributes=["deviceSerialNumber", "1.2.840.113549.1.9.7"],
        name_constraints={"permitted": ["ip:10.0.0.0/8", "email:a@b.example"]},
        permitted_subject_bases=["OU=Sensors,O=Acme,C=DE"],
        requires_approval=True,
        approvals_needed=2,
        allow_key_reuse=True,
        cn_as_san=True,
        allow_subject_change=True,
        lint="block",
    )
    assert made.allowed_key_algorithms == (
        AllowedKey(algorithm=KeyAlgorithm.ED25519),
        AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),
    )
    assert made.allowed_ekus == ("1.3.6.1.5.5.7.3.1", "1.2.3.4")
    assert made.allowed_san_types == (SanKind.IP,)
    assert list(map(str, made.required_san_patterns)) == ["dns:a:b"]
    assert [(p.oid, p.expression) for p in made.required_subject_patterns] == [
        ("2.5.4.5", "[0-9]+"),
        ("1.2.3", "x"),
    ]
    assert made.required_csr_attributes == ("2.5.4.5", "1.2.840.113549.1.9.7")
    assert list(map(str, made.name_constraints.permitted)) == ["ip:10.0.0.0/8", "email:a@b.example"]
    assert [base.text() for base in made.permitted_subject_bases] == ["OU=Sensors,O=Acme,C=DE"]
    assert (made.max_sans, made.max_ttl_seconds, made.backdate_seconds) == (3, 31_536_000, 0)
    assert (made.ttl_jitter_percent, made.approvals_needed, made.lint) == (10, 2, LintMode.BLOCK)
    switches = "must_staple requires_approval allow_key_reuse cn_as_san allow_subject_change"
    assert all(getattr(made, name) for name in switches.split())
    assert (made.id, made.name, made.description, made.enabled) == ("cp", "n", "d", False)


def test_the_faults_of_all_files_come_at_once(tmp_path):
    (tmp_path / "a.toml").write_text("max_sans = -1\nmust_stapel = true\n")
    (tmp_path / "b.toml").write_text("max_sans = \n")
    (tmp_path / "default.toml").write_text("")
    (tmp_path / "good.toml").write_text("")
    (tmp_path / "long.toml").write_text("#" * 70_000)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    with pytest.raises(CertificateProfilesRefused) as caught:
        load_certificate_profiles(tmp_path)
    named = [Path(fault.variable).name for fault in caught.value.findings]
    assert named == [
        "a.toml",
        "a.toml",
        "b.toml",
        "default.toml",
        "folder.toml",
        "long.toml",
    ]


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CertificateProfilesRefused):
        load_certificate_profiles(tmp_path / "absent")


def test_the_settings_tell_the_faults_beside_their_own(
    tmp_path: Path, refuse: Refuse, load: Load
) -> None:
    (tmp_path / "cp.toml").write_text("max_sans = -1")
    named = {"CERTIFICATE_PROFILES_DIR": str(tmp_path)}
    faults = refuse(named | {"SERVER_PORT": "x"}, check_files=True)
    assert {fault.variable for fault in faults} == {
        "CERTCTL_SERVER_PORT",
        str(tmp_path / "cp.toml"),
    }
    (tmp_path / "cp.toml").write_text("max_sans = 1")
    assert load(named, check_files=True).server.certificate_profiles_dir == tmp_path


def test_the_examples_of_the_documentation_can_be_used():
    found = load_certificate_profiles(EXAMPLES)
    assert set(found) == {"cp-wifi-eap-tls", "cp-iot-sensors"}
    assert found["cp-wifi-eap-tls"].max_ttl_seconds == 365 * 86_400
    for path in EXAMPLES.iterdir():
        assert profile_of_document(path.stem, document_of_file(path)) == found[path.stem]


def test_the_reference_page_is_the_generated_one():
    kept = (DOCS / "reference" / "certificate-profiles.md").read_text(encoding="utf-8")
    assert kept == reference(), "run: python -m certctl.settings.profile_reference"


def test_every_field_of_a_profile_can_be_written():
    held = {field.name for field in fields(CertificateProfile)} - {"id", "digest"}
    assert {field.name for field in FIELDS} == held


def test_files_win_over_the_store_and_the_built_in_profile_is_always_there():
    def named(name: str) -> CertificateProfile:
        return CertificateProfile(id="cp", name=name)

    profiles = CertificateProfiles(files={"cp": named("file")}, stored={"cp": named("stored")})
    assert profiles["cp"].name == "file"
    assert profiles.is_file("cp")
    profiles.replace(files={})
    assert profiles["cp"].name == "stored"
    profiles.replace(stored={})
    assert set(profiles) == {"default"}


def test_a_profile_that_wants_a_linter_that_is_not_installed_is_refused(tmp_path):
    installed = Path(sysconfig.get_path("purelib"))
    for path in installed.iterdir():
        if not path.name.startswith("pkilint"):
            (tmp_path / path.name).symlink_to(path)
    program = (
        "from certctl.settings.certificate_profiles import profile_of_document as read\n"
        "read('cp', '{}')\n"
        "read('cp', '{\"lint\": \"warn\"}')\n"
    )
    source = Path(__file__).parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": f"{source}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "the linter is not installed; install the extra" in done.stderr
    assert "line 3" in done.stderr
