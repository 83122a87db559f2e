"""Values that do not parse refuse to start; those that do become what they say."""

from __future__ import annotations

from ipaddress import ip_network
from operator import attrgetter

import pytest

from certctl.domain.profiles import Base64Form, ChallengePassword
from certctl.domain.proxies import TrustedProxies
from certctl.settings import LogLevel
from tests.unit.settings.rig import Load, Refuse, profile

EVERYBODY = "an entry covers every address, so anybody could speak for anybody"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("EST_ENABLED", "ture", "not a boolean"),
        ("EST_ENABLED", "2", "not a boolean"),
        ("EST_ENABLED", "tru e", "not a boolean"),
        ("SERVER_PORT", "https", "not a whole number"),
        ("SERVER_PORT", "8443.0", "not a whole number"),
        ("SERVER_PORT", "8_443", "not a whole number"),
        ("SERVER_PORT", "\u0668\u0664", "not a whole number"),
        ("SERVER_PORT", "9" * 13, "not a whole number"),
        ("SERVER_PORT", "65536", "out of range"),
        ("SERVER_PORT", "-1", "a negative number"),
        ("MAX_CONNECTIONS", "0", "out of range"),
        ("MAX_CONNECTIONS", "20,000", "not a whole number"),
        ("WORKERS", "257", "out of range"),
        ("SHUTDOWN_GRACE", "30", "not a duration"),
        ("SHUTDOWN_GRACE", "30 s", "not a duration"),
        ("SHUTDOWN_GRACE", "1.5m", "not a duration"),
        ("SHUTDOWN_GRACE", "30m1h", "not a duration"),
        ("SHUTDOWN_GRACE", "30S", "not a duration"),
        ("SHUTDOWN_GRACE", "s", "not a duration"),
        ("SHUTDOWN_GRACE", "-30s", "a negative duration"),
        ("SHUTDOWN_GRACE", "61m", "out of range"),
        ("SHUTDOWN_GRACE", "999999999d", "out of range"),
        ("EST_MAX_BODY", "64KB", "not a size"),
        ("EST_MAX_BODY", "64 000", "not a size"),
        ("EST_MAX_BODY", "-1", "not a size"),
        ("CRL_PARTITIONS", "0", "out of range"),
        ("CRL_PARTITIONS", "-4", "a negative number"),
        ("CRL_PARTITIONS", "257", "out of range"),
        ("CRL_PARTITIONS", "9" * 400, "not a whole number"),
        ("CRL_PARTITIONS", "off", "not a whole number"),
        ("EST_MAX_BODY", "1023", "out of range"),
        ("EST_MAX_BODY", "1GiB", "out of range"),
        ("LOG_LEVEL", "loud", '"loud" is not one of them'),
        ("LOG_FORMAT", "xml", '"xml" is not one of them'),
        ("SERVER_HOST", "local host", "not a host name or IP address"),
        ("SERVER_HOST", "127.0.0.256", "not a host name or IP address"),
        ("SERVER_HOST", "[fe80::1", "not a host name or IP address"),
        ("SERVER_HOST", "a..b", "not a host name or IP address"),
        ("SERVER_HOST", "a" * 64, "not a host name or IP address"),
        ("PUBLIC_URL", "est.example.com", "not a URL that begins with https"),
        ("PUBLIC_URL", "http://est.example.com", "not a URL that begins with https"),
        ("PUBLIC_URL", "https://", "no host is in it, or port 0"),
        ("PUBLIC_URL", "https://a:0", "no host is in it, or port 0"),
        ("PUBLIC_URL", "https://a:99999", "not a URL"),
        ("PUBLIC_URL", "https://a/b", "a path is in it"),
        ("PUBLIC_URL", "https://a?b", "a query is in it"),
        ("PUBLIC_URL", "https://a/#b", "a fragment (#…) is in it"),
        ("PUBLIC_URL", "https://me@a", "a user name or password is in it"),
        ("PUBLIC_URL", "https://a b", "not a host name or IP address"),
        ("DATA_DIR", "a\nb", "control characters are in it"),
        ("DATABASE_URL", "mysql://a/b", "neither sqlite:/// nor postgresql://"),
        ("DATABASE_URL", "sqlite://", "neither sqlite:/// nor postgresql://"),
        ("DATABASE_URL", "sqlite:///", "not the path of a database file, or options are in it"),
        (
            "DATABASE_URL",
            "sqlite:///:memory:",
            "not the path of a database file, or options are in it",
        ),
        (
            "DATABASE_URL",
            "sqlite:///a?mode=ro",
            "not the path of a database file, or options are in it",
        ),
        ("TRUSTED_PROXIES", "proxy", "an entry is neither a network"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "an entry is neither a network"),
        ("TRUSTED_PROXIES", "cert:abcd", "an entry is neither a network"),
        ("TRUSTED_PROXIES", " , ", "a list without items"),
        ("TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0", "an entry covers every address"),
        ("TRUSTED_PROXIES", "::/0", "an entry covers every address"),
        ("TRUSTED_PROXIES", "::ffff:10.0.0.0/104", "an entry is IPv4 written as IPv6"),
        (
            "TRUSTED_PROXIES",
            "::/0,10.0.0.1,0.0.0.0/0,::ffff:10.0.0.1",
            f"{EVERYBODY}; an entry is IPv4 written as IPv6",
        ),
        ("API_KEYS_NAMED", "ops", "an entry is not name:key or name:key:admin"),
        ("API_KEYS_NAMED", "ops:", "an entry is not name:key or name:key:admin"),
        ("API_KEYS_NAMED", "ops:k:root", "an entry ends in something other than :admin"),
        ("CORS_ORIGINS", "https://a/b", "an origin has no path or query"),
        ("AUDIT_COPY", "tape:1", "neither file:PATH nor syslog:ADDRESS"),
        ("AUDIT_COPY", "syslog:tls://log:6514", "a transport of syslog other than udp://"),
        ("AUDIT_COPY", "syslog:log.example", "an address without port"),
        ("AUDIT_COPY", "syslog:fe80::1:514", "an IPv6 address without brackets"),
        ("AUDIT_COPY", "syslog:udp://log.example:x", "not a whole number"),
        ("EST_PROFILES", " , ", "a list without items"),
        ("EXPIRY_NOTICE_DAYS", "30,x", "not a whole number"),
        ("EST_ISSUER_ID", "-iss", "not a label"),
        ("ALLOW_UNKNOWN", "maybe", "not a boolean"),
    ],
)
def test_what_does_not_parse_is_refused(refuse: Refuse, name: str, text: str, problem: str) -> None:
    faults = [fault for fault in refuse({name: text}) if fault.allowed]
    assert faults[0].variable == f"CERTCTL_{name}"
    assert faults[0].problem.startswith(problem)
    assert faults[0].remedy == "set it to what is allowed, or unset it"


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        *(("EST_ENABLED", text, "est.enabled", True) for text in ("true", "1", "YES", "On")),
        *(("EST_ENABLED", text, "est.enabled", False) for text in ("False", "0", "no", "OFF", "")),
        ("TLS12_PORT", "9443", "server.tls12_port", 9443),
        ("TLS12_PORT", "off", "server.tls12_port", None),
        ("PKI_HTTP_PORT", "8080", "server.pki_http_port", 8080),
        ("PKI_HTTP_PORT", "0", "server.pki_http_port", None),
        ("METRICS_PORT", "9464", "server.metrics_port", 9_464),
        ("METRICS_PORT", "none", "server.metrics_port", None),
        ("METRICS_ADDRESS", "[::1]", "server.metrics_address", "::1"),
        ("CRL_GENERATION_INTERVAL", "2h", "revocation.crl_interval_s", 7_200),
        ("CRL_DEBOUNCE", "0s", "revocation.crl_debounce_s", 0),
        ("CRL_VALIDITY", "48h", "revocation.crl_validity_s", 172_800),
        ("CRL_DELTA_INTERVAL", "off", "revocation.crl_delta_s", None),
        ("OCSP_RESPONDER_VALIDITY", "10d", "revocation.responder_validity_s", 864_000),
        ("OCSP_RESPONDER_ROTATION_GRACE", "0s", "revocation.responder_grace_s", 0),
        ("OCSP_RATE_LIMIT_PER_IP_MIN", "0", "revocation.ocsp_per_minute", 0),
        ("SERVER_PORT", " 9443 ", "server.port", 9443),
        ("SERVER_HOST", "[::1]", "server.host", "::1"),
        ("SERVER_HOST", "::", "server.host", "::"),
        ("SERVER_HOST", "EST.Example.com", "server.host", "est.example.com"),
        ("SHUTDOWN_GRACE", "0", "server.shutdown_grace_s", 0.0),
        ("SHUTDOWN_GRACE", "0s", "server.shutdown_grace_s", 0.0),
        ("SHUTDOWN_GRACE", "1m30s", "server.shutdown_grace_s", 90.0),
        ("SHUTDOWN_GRACE", "1h", "server.shutdown_grace_s", 3600.0),
        ("EST_MAX_BODY", "2048", "server.est_max_body", 2048),
        ("EST_MAX_BODY", "2 KiB", "server.est_max_body", 2048),
        ("EST_MAX_BODY", "2k", "server.est_max_body", 2048),
        ("MAX_BODY_SIZE", "2MiB", "server.max_body", 2 << 20),
        ("LOG_LEVEL", "WARN", "server.log_level", LogLevel.WARNING),
        ("PUBLIC_URL", "https://est.example.com:8443/", "server.public_host", "est.example.com"),
        ("PUBLIC_URL", "https://[2001:db8::1]/", "server.public_url", "https://[2001:db8::1]"),
        ("TRUSTED_PROXIES", "", "server.trusted_proxies", TrustedProxies()),
        (
            "TRUSTED_PROXIES",
            "192.0.2.7, 2001:db8::/64, cert:" + "Ab" * 32,
            "server.trusted_proxies",
            TrustedProxies(
                networks=(ip_network("192.0.2.7/32"), ip_network("2001:db8::/64")),
                fingerprints=frozenset({b"\xab" * 32}),
            ),
        ),
        ("ISSUER_ISS_LOCAL_VALIDITY", "1d12h", "issuers", 36 * 3600),
        ("ISSUER_ISS_LOCAL_VALIDITY", "7d", "issuers", 7 * 86400),
    ],
)
def test_what_parses_becomes_what_it_says(
    load: Load, name: str, text: str, field: str, expected: object
) -> None:
    found = attrgetter(field)(load({name: text}))
    assert (found[0].validity_s if field == "issuers" else found) == expected


@pytest.mark.parametrize("form", list(Base64Form))
def test_every_base64_form_can_be_chosen(load: Load, form: Base64Form) -> None:
    settings = load(profile(BASE64=form.value.upper()))
    assert settings.est.profiles[0].profile.base64_form is form


@pytest.mark.parametrize("use", ChallengePassword)
def test_every_use_of_challenge_passwords_can_be_chosen(load: Load, use: ChallengePassword) -> None:
    settings = load(profile(CHALLENGE_PASSWORD=use.value))
    assert settings.est.profiles[0].profile.challenge_password is use


@pytest.mark.parametrize(("text", "required"), [("true", True), ("no", False)])
def test_a_binding_can_be_required(load: Load, text: str, *, required: bool) -> None:
    settings = load(profile(CHANNEL_BINDING_REQUIRED=text))
    assert settings.est.profiles[0].profile.binding_required is required
