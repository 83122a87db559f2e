"""PROFILE_ID and the profiles' directory, from start to certificate."""

from __future__ import annotations

import base64
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.harness.device import Device, certificates_of, name
from tests.harness.http import fetch
from tests.harness.server import DidNotStart, RunningServer, configured_server

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "certificate-profiles"
ENROLL = "/.well-known/est/wifi/simpleenroll"
REENROLL = "/.well-known/est/wifi/simplereenroll"
CSRATTRS = "/.well-known/est/wifi/csrattrs"
PASSWORD = "correct horse battery"


def profiled_server(directory: Path, profile_id: str, **files: str) -> RunningServer:
    profiles = directory / "profiles"
    profiles.mkdir()
    for path in EXAMPLES.iterdir():
        shutil.copy(path, profiles)
    for stem, text in files.items():
        (profiles / f"{stem}.toml").write_text(text)
    return configured_server(
        directory,
        {
            "CERTIFICATE_PROFILES_DIR": str(profiles),
            "EST_PROFILES": "wifi",
            "EST_PROFILE_WIFI_ISSUER_ID": "iss-local",
            "EST_PROFILE_WIFI_PROFILE_ID": profile_id,
            "EST_PROFILE_WIFI_ENROLLMENT_PASSWORD": PASSWORD,
            "WORKERS": "1",
        },
    )


def refusal(server: RunningServer) -> str:
    with pytest.raises(DidNotStart) as refused:
        server.start()
    assert "exit code 2" in str(refused.value)
    return str(refused.value)


def test_the_guides_wifi_profile_gives_a_year_and_wants_the_serial_number(tmp_path: Path) -> None:
    device = Device(tmp_path, "laptop-1")
    whole = device.csr(name("laptop-1", serial_number="A-77"))
    with profiled_server(tmp_path, "cp-wifi-eap-tls") as server:
        without = device.enroll(server, ENROLL, password=PASSWORD)
        assert without.status == 400
        assert "attribute" in without.text
        answer = device.enroll(server, ENROLL, password=PASSWORD, body=device.body(whole))
        assert answer.status == 200, answer.text
        [made] = certificates_of(answer.body)
        year = made.not_valid_after_utc - made.not_valid_before_utc
        assert year == timedelta(days=365, seconds=300)
        usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [each.dotted_string for each in usage] == ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.14"]


def test_a_missing_profile_refuses_the_start_and_names_the_est_profile(tmp_path: Path) -> None:
    text = refusal(profiled_server(tmp_path, "cp-wifi"))
    assert 'EST profile "wifi"' in text
    assert '"cp-wifi": there is none of that name' in text
    assert "cp-wifi-eap-tls" in text


def test_a_disabled_profile_refuses_the_start(tmp_path: Path) -> None:
    text = refusal(profiled_server(tmp_path, "off", off="enabled = false"))
    assert '"off": it is disabled' in text


def test_faults_of_all_files_refuse_the_start(tmp_path: Path) -> None:
    text = refusal(profiled_server(tmp_path, "a", a="max_sans = -1", b="must_stapel = true"))
    assert "a.toml" in text
    assert "did you mean must_staple?" in text


def test_a_copied_common_name_renews_with_and_without_san(tmp_path: Path) -> None:
    device = Device(tmp_path, "laptop-1")
    with profiled_server(tmp_path, "cn", cn="cn_as_san = true") as server:
        assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
        assert device.certificate is not None
        found = device.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert found.value.get_values_for_type(x509.DNSName) == ["laptop-1"]
        again = device.enroll(server, REENROLL, password=PASSWORD)
        assert again.status == 200, again.text
        with_san = Device(tmp_path, "laptop-1", san=[x509.DNSName("laptop-1")])
        assert with_san.enroll(server, REENROLL, password=PASSWORD).status == 200
        other = Device(tmp_path, "laptop-1", san=[x509.DNSName("other.example")])
        assert other.enroll(server, REENROLL, password=PASSWORD).status == 403


def test_certificates_from_before_cn_as_san_renew(tmp_path: Path) -> None:
    device = Device(tmp_path, "laptop-1")
    server = profiled_server(tmp_path, "cn", cn="")
    with server:
        assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    (tmp_path / "profiles" / "cn.toml").write_text("cn_as_san = true")
    with server:
        fresh = Device(tmp_path, "laptop-1")
        assert fresh.enroll(server, REENROLL, password=PASSWORD).status == 200
        assert fresh.certificate is not None
        fresh.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_csrattrs_tell_the_rules_of_the_profile(tmp_path: Path) -> None:
    with profiled_server(tmp_path, "cp-wifi-eap-tls") as server:
        body = fetch(server, "GET", CSRATTRS).body
    # serialNumber 2.5.4.5 as a bare OID, base64 of 06 03 55 04 05 within.
    assert bytes.fromhex("0603550405") in base64.b64decode(body)
