"""What certificates say of where their status is."""

from __future__ import annotations

import pytest

from certctl.settings import load_settings
from certctl.wire.pointers import NO_POINTERS
from certctl.wiring.pointers import pointers


@pytest.mark.parametrize(
    ("url", "port", "base"),
    [
        ("https://pki.example.org", "80", "http://pki.example.org"),
        ("https://pki.example.org:8443", "8080", "http://pki.example.org:8080"),
        ("https://192.0.2.7", "8080", "http://192.0.2.7:8080"),
        ("https://[2001:db8::7]", "80", "http://[2001:db8::7]"),
    ],
)
def test_named_where_both_are_known(url: str, port: str, base: str):
    given = {"CERTCTL_PUBLIC_URL": url, "CERTCTL_PKI_HTTP_PORT": port}
    found = pointers(load_settings(given, None), "iss-local")
    assert found.crl_url == f"{base}/.well-known/pki/crls/iss-local.crl"
    assert found.ocsp_url == f"{base}/.well-known/pki/ocsp/iss-local"
    assert found.ca_url == f"{base}/.well-known/pki/ca/iss-local.crt"
    assert found.freshest_url is None
    found = pointers(load_settings(given | {"CERTCTL_CRL_DELTA_INTERVAL": "5m"}, None), "iss-local")
    assert found.freshest_url == f"{base}/.well-known/pki/delta/iss-local.crl"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"CERTCTL_PUBLIC_URL": "https://pki.example.org"},
        {"CERTCTL_PKI_HTTP_PORT": "80"},
    ],
)
def test_nothing_is_said_that_nobody_could_reach(given: dict[str, str]):
    assert pointers(load_settings(given, None), "iss-local") == NO_POINTERS
