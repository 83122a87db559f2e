"""Good settings become what the program works with: defaults, profiles, precedence."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from certctl.domain.profiles import AuthMode
from certctl.settings import (
    CaKeyType,
    LogFormat,
    Severity,
    Surroundings,
    load_settings,
)
from tests.unit.settings.rig import Files, Load, profile

MTLS, BASIC, ANONYMOUS = AuthMode.MTLS, AuthMode.BASIC, AuthMode.ANONYMOUS


def test_without_any_setting_the_defaults_hold(load: Load, tmp_path: Path) -> None:
    settings = load()
    server = settings.server
    assert (server.host, server.port, server.workers) == ("127.0.0.1", 8443, 3)
    assert (server.max_connections, server.max_connections_per_source) == (20_000, 2_000)
    assert (server.max_body, server.est_max_body) == (1 << 20, 64 << 10)
    assert server.data_dir == tmp_path / "certctl-data"
    assert server.database_url == f"sqlite:///{tmp_path}/certctl-data/certctl.db"
    assert (server.shutdown_grace_s, server.log_format) == (30.0, LogFormat.JSON)
    assert (server.tls_cert_path, server.public_url, server.public_host) == (None, None, None)
    assert not settings.est.enabled
    assert settings.est.profiles == ()
    (issuer,) = settings.issuers
    assert (issuer.id, issuer.type) == ("iss-local", "local")
    assert (issuer.ca_key_type, issuer.validity_s) == (CaKeyType.P256, 90 * 86_400)


def test_settings_cannot_be_changed(load: Load) -> None:
    settings = load(profile())
    for value in (settings, settings.server, settings.est, settings.issuers[0]):
        name = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, "other")


def test_the_surroundings_are_those_of_this_process(tmp_path: Path) -> None:
    here = Surroundings.here()
    assert here.directory == Path.cwd()
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    settings = load_settings({"CERTCTL_DATA_DIR": str(tmp_path)}, None)
    assert settings.server.workers == here.cores


@pytest.mark.parametrize(
    ("variables", "outside", "data_dir", "database"),
    [
        ({"DATA_DIR": "d"}, {"STATE_DIRECTORY": "/s"}, "d", "d/certctl.db"),
        ({}, {"STATE_DIRECTORY": "/s:/t"}, "/s", "/s/certctl.db"),
        ({"DATABASE_URL": "sqlite:///x.db"}, {}, "certctl-data", "x.db"),
        ({"DATABASE_URL": "sqlite:////x.db"}, {}, "certctl-data", "/x.db"),
        ({"DATA_DIR": "/d", "DATABASE_URL": "sqlite:///{DATA_DIR}/y.db"}, {}, "/d", "/d/y.db"),
    ],
)
def test_paths_are_absolute(
    load: Load,
    tmp_path: Path,
    variables: dict[str, str],
    outside: dict[str, str],
    data_dir: str,
    database: str,
) -> None:
    server = load(variables, outside=outside).server
    assert server.data_dir == tmp_path / data_dir
    assert server.database_url == f"sqlite:///{tmp_path / database}"


def test_postgresql_is_taken_as_it_is(load: Load) -> None:
    url, reader = "postgresql://u:p%40@db:5433/c?sslmode=verify-full", "postgresql://r@db/c"
    server = load({"DATABASE_URL": url}).server
    assert (server.database_url, server.database_read_url) == (url, url)
    server = load({"DATABASE_URL": url, "DATABASE_READ_URL": reader}).server
    assert (server.database_url, server.database_read_url) == (url, reader)


@pytest.mark.parametrize(
    ("directory", "path"),
    [("/data?", "/data%3F"), ("/a b%20c#d", "/a%20b%2520c%23d")],
)
def test_a_data_dir_of_any_name_has_its_database_url(load: Load, directory: str, path: str) -> None:
    url = load({"DATA_DIR": directory}).server.database_url
    assert url == f"sqlite:///{path}/certctl.db"


@pytest.mark.parametrize(("on_terminal", "form"), [(True, "text"), (False, "json")])
def test_logs_are_text_only_on_a_terminal(load: Load, form: str, *, on_terminal: bool) -> None:
    assert load(on_terminal=on_terminal).server.log_format == form
    assert load({"LOG_FORMAT": "JSON"}, on_terminal=on_terminal).server.log_format == "json"


def test_the_environment_wins_over_the_file_and_empty_is_unset(load: Load) -> None:
    file = "CERTCTL_SERVER_PORT=1001\nCERTCTL_WORKERS=4\nCERTCTL_LOG_LEVEL=debug\n"
    server = load({"SERVER_PORT": "1002", "WORKERS": " "}, file=file).server
    assert (server.port, server.workers, server.log_level) == (1002, 4, "debug")


def test_the_single_profile_of_the_guide(load: Load) -> None:
    settings = load({"EST_ENABLED": "true", "EST_ISSUER_ID": "iss-local"})
    (entry,) = settings.est.profiles
    assert (entry.profile.path_id, entry.profile.issuer_id) == ("", "iss-local")
    assert entry.profile.anonymous
    assert settings.est.root_profile is None


def test_several_profiles_as_in_the_guide(load: Load) -> None:
    settings = load(
        profile(PROFILE_ID="default")
        | profile("WIFI-Guest", REENROLL_REQUIRE_SAME_SUBJECT="no", INCLUDE_CHAIN="yes")
        | {
            "EST_PROFILES": " corp, WIFI-Guest ,",
            "EST_PROFILE_WIFI-GUEST_TENANT": "acme",
            "EST_PROFILE_CORP_MTLS_OWN_ONLY": "1",
            "EST_PROFILE_CORP_ACCEPT_FROM_PROFILES": "Wifi-guest",
            "EST_ROOT_PROFILE": "Corp",
        }
    )
    corp, wifi = (entry.profile for entry in settings.est.profiles)
    assert (corp.path_id, wifi.path_id) == ("corp", "wifi-guest")
    assert settings.est.root_profile == "corp"
    assert corp.accept_from_profiles == {"wifi-guest"}
    assert corp.certificate_profile_id == "default"
    assert corp.mtls_own_only
    assert (corp.same_subject, wifi.same_subject) == (True, False)
    assert (corp.include_chain, wifi.include_chain) == (False, True)
    assert (corp.tenant, wifi.tenant) == (None, "acme")


@pytest.mark.parametrize(
    ("given", "modes", "has_password", "has_bundle", "inferred"),
    [
        ({"PASSWORD"}, {BASIC}, True, False, "basic"),
        ({"MTLS"}, {MTLS}, False, True, "mtls"),
        ({"MTLS", "PASSWORD"}, {MTLS, BASIC}, True, True, "mtls,basic"),
        ({"OWN"}, {MTLS}, False, False, "mtls"),
        (set(), {ANONYMOUS}, False, False, ""),
        ({"PASSWORD", "basic"}, {BASIC}, True, False, ""),
        ({"MTLS", "PASSWORD", "mtls"}, {MTLS}, False, True, ""),
        ({"MTLS", "PASSWORD", "basic"}, {BASIC}, True, True, ""),
        ({"MTLS", "PASSWORD", "MTLS, Basic"}, {MTLS, BASIC}, True, True, ""),
        ({"anonymous"}, {ANONYMOUS}, False, False, ""),
        ({"MTLS", "anonymous"}, {MTLS, ANONYMOUS}, False, True, ""),
    ],
)
def test_modes_are_listed_or_inferred(
    load: Load,
    files: Files,
    given: set[str],
    modes: set[AuthMode],
    *,
    has_password: bool,
    has_bundle: bool,
    inferred: str,
) -> None:
    bundle = files.write("bundle.pem", files.certificate_pem())
    parts = {
        "PASSWORD": {"ENROLLMENT_PASSWORD": "correct horse battery"},
        "MTLS": {"MTLS_ENABLED": "true", "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": bundle},
        "OWN": {"MTLS_OWN_ONLY": "true"},
    }
    family = {"ENROLLMENT_PASSWORD": ""}
    for part in given:
        family |= parts.get(part, {"ALLOWED_AUTH_MODES": part})
    settings = load(profile(**family))
    (entry,) = settings.est.profiles
    assert entry.profile.auth_modes == modes
    assert (entry.enrollment_password is not None) is has_password
    assert (entry.trust_bundle_path is not None) is has_bundle
    notes = [note for note in settings.warnings if note.severity is Severity.INFO]
    assert [note.problem for note in notes] == (
        [f'profile "corp": not set; taken from what is configured: {inferred}'] if inferred else []
    )


def test_issuers_are_listed_with_their_own_settings(load: Load) -> None:
    settings = load(
        {
            "ISSUERS": "iss-local,Plant-2",
            "CA_KEY_TYPE": "rsa-3072",
            "ISSUER_PLANT_2_TYPE": "LOCAL",
            "ISSUER_PLANT_2_CA_KEY_TYPE": "ed25519",
            "ISSUER_PLANT-2_VALIDITY": "1d",
        }
    )
    first, second = settings.issuers
    assert (first.id, first.ca_key_type) == ("iss-local", CaKeyType.RSA3072)
    assert (second.id, second.ca_key_type) == ("plant-2", CaKeyType.ED25519)
    assert second.validity_s == 86_400
