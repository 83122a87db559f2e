"""CONFIG_ENCRYPTION_KEY: read by nobody but the authority, and what it makes possible."""

from __future__ import annotations

import base64

import pytest

from tests.unit.settings.rig import Load, Refuse, profile

KEY = "c5" * 32


def test_its_file_is_not_read_here(load: Load) -> None:
    settings = load({"CONFIG_ENCRYPTION_KEY_FILE": "/nowhere/config.key"})
    source = settings.server.config_key
    assert source is not None
    assert (str(source.path), source.given) == ("/nowhere/config.key", None)
    assert not settings.warnings


@pytest.mark.parametrize("text", [KEY, base64.b64encode(bytes.fromhex(KEY)).decode()])
def test_given_outright_it_is_taken_with_a_warning_and_never_shown(load: Load, text: str) -> None:
    settings = load({"CONFIG_ENCRYPTION_KEY": text})
    (warning,) = settings.warnings
    assert "CERTCTL_CONFIG_ENCRYPTION_KEY_FILE" in str(warning)
    assert text not in repr(settings) + str(warning)


@pytest.mark.parametrize("text", ["key", KEY[:-2], KEY + "00", "z" * 64])
def test_what_is_no_key_is_refused(refuse: Refuse, text: str) -> None:
    (fault,) = refuse({"CONFIG_ENCRYPTION_KEY": text})
    assert "not 32 octets" in str(fault)
    assert "openssl rand" in fault.allowed
    assert text not in str(fault).replace("CERTCTL_CONFIG_ENCRYPTION_KEY", "")


def test_with_it_a_profile_may_name_an_issuer_of_the_store(load: Load, refuse: Refuse) -> None:
    variables = profile(ISSUER_ID="factory")
    (fault,) = refuse(variables)
    assert "unknown issuer" in str(fault)
    settings = load(variables | {"CONFIG_ENCRYPTION_KEY_FILE": "/etc/certctl/config.key"})
    assert [each.profile.issuer_id for each in settings.est.profiles] == ["factory"]
