"""The lint: what works and will be regretted is told, with profile and remedy."""

from __future__ import annotations

import pytest

from certctl.settings import Settings, SettingsRefused, Severity
from tests.unit.settings.rig import Files, Load, profile

BUNDLE = "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH"
MODES = "CERTCTL_EST_PROFILE_CORP_ALLOWED_AUTH_MODES"
ANYBODY = "ANONYMOUS: whoever reaches this server gets a certificate"
NO_FIRST_TIME = "only own certificates open it, so no device can enroll for the first time"
NO_BINDING = "curl, openssl and strongSwan bind no CSR to its connection and cannot enroll here"
READ_BY_OTHERS = (
    "is no loopback address: whoever reaches it reads the names of profiles, issuers and channels,"
    " and how much they are used"
)
SEEN_BY_ALL = "the environment is seen by all processes, those facing the network too"


def told(settings: Settings) -> list[str]:
    assert all(finding.remedy for finding in settings.warnings)
    return [
        finding.problem for finding in settings.warnings if finding.severity is Severity.WARNING
    ]


def test_good_settings_leave_nothing_to_say(load: Load) -> None:
    assert load(profile(ALLOWED_AUTH_MODES="basic")).warnings == ()
    assert load({}).warnings == ()
    named = {"PUBLIC_URL": "https://pki.example.org", "PKI_HTTP_PORT": "80"}
    assert load(named).warnings == ()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            profile(ENROLLMENT_PASSWORD=""),
            f'profile "corp": {ANYBODY}',
        ),
        (
            profile(ENROLLMENT_PASSWORD="", ALLOWED_AUTH_MODES="anonymous"),
            f'profile "corp": {ANYBODY}',
        ),
        (
            {"EST_ENABLED": "true"},
            f"the single profile at the root is {ANYBODY}",
        ),
        (
            profile(CHANNEL_BINDING_REQUIRED="true"),
            f'profile "corp": {NO_BINDING}; libest and Bouncy Castle can, but only over TLS 1.2',
        ),
        (
            profile(CHANNEL_BINDING_REQUIRED="true") | {"TLS12_PORT": "9443"},
            f'profile "corp": {NO_BINDING}',
        ),
        (
            profile(ENROLLMENT_PASSWORD="elevenchars"),
            'profile "corp": a password of fewer than 12 characters',
        ),
        (
            profile(ENROLLMENT_PASSWORD="", ALLOWED_AUTH_MODES="mtls", MTLS_OWN_ONLY="true"),
            f'profile "corp": {NO_FIRST_TIME}',
        ),
        (
            profile(ALLOWED_AUTH_MODES="mtls,basic", MTLS_OWN_ONLY="true", **{BUNDLE: "x"}),
            'profile "corp": has no effect: MTLS_OWN_ONLY trusts only certificates issued here',
        ),
        (
            profile(ALLOWED_AUTH_MODES="basic", **{BUNDLE: "x"}),
            'profile "corp": has no effect: mTLS is off',
        ),
        (
            profile(ALLOWED_AUTH_MODES="basic", MTLS_OWN_ONLY="true"),
            f'profile "corp": has no effect: {MODES} does not list mtls',
        ),
        (
            profile(ALLOWED_AUTH_MODES="basic")
            | profile("iot", ALLOWED_AUTH_MODES="basic", ENROLLMENT_PASSWORD="another password")
            | {"EST_PROFILES": "corp,iot", "EST_PROFILE_CORP_ACCEPT_FROM_PROFILES": "iot"},
            'profile "corp": has no effect: mtls is not allowed here',
        ),
        (
            profile(ALLOWED_AUTH_MODES="basic") | {"EST_ISSUER_ID": "iss-local"},
            "has no effect: CERTCTL_EST_PROFILES is set",
        ),
        (
            profile() | {"EST_ENABLED": "off"},
            "has no effect: CERTCTL_EST_ENABLED is off",
        ),
        (
            {"CA_KEY_PASSPHRASE": "a long passphrase"},
            f'issuer "iss-local": {SEEN_BY_ALL}',
        ),
        (
            {"PUBLIC_URL": "https://pki.example.org"},
            "nobody can reach the CRL over HTTP, so certificates do not say where it is",
        ),
        (
            {"PKI_HTTP_PORT": "8080"},
            "without it certificates do not say where CRL and OCSP are",
        ),
        ({"METRICS_ADDRESS": "::1"}, "has no effect: CERTCTL_METRICS_PORT is not set"),
        (
            {"METRICS_ADDRESS": "10.0.0.1", "METRICS_PORT": "9464"},
            READ_BY_OTHERS,
        ),
    ],
)
def test_warns(load: Load, variables: dict[str, str], problem: str) -> None:
    assert told(load(variables)) == [problem]


def test_a_password_without_its_mode_is_told(load: Load) -> None:
    settings = load(profile(ALLOWED_AUTH_MODES="anonymous"))
    assert [problem.partition(": ")[2] for problem in told(settings)] == [
        "ANONYMOUS: whoever reaches this server gets a certificate",
        "has no effect: CERTCTL_EST_PROFILE_CORP_ALLOWED_AUTH_MODES does not list basic",
    ]
    assert settings.est.profiles[0].enrollment_password is None


def test_a_shared_password_is_told_with_both_names(load: Load) -> None:
    both = profile(ALLOWED_AUTH_MODES="basic") | profile("iot", ALLOWED_AUTH_MODES="basic")
    settings = load(both | {"EST_PROFILES": "corp,iot"})
    assert told(settings) == ['profile "iot": the password is also that of profile "corp"']


@pytest.mark.parametrize(("days", "warns"), [(29.5, True), (30.5, False)])
def test_a_bundle_that_ends_soon_is_told(
    load: Load, files: Files, days: float, *, warns: bool
) -> None:
    path = files.write("bundle.pem", files.certificate_pem(days=days))
    variables = profile(ALLOWED_AUTH_MODES="mtls,basic", MTLS_ENABLED="true", **{BUNDLE: path})
    expected = 'profile "corp": a certificate of the bundle expires in 29 days: "CN=ca"'
    assert told(load(variables)) == ([expected] if warns else [])
    assert told(load(variables, check_files=False)) == []


@pytest.mark.parametrize(
    ("names", "public", "covered"),
    [
        ("est.example.com", "https://EST.example.com:8443", True),
        ("*.example.com", "https://est.example.com", True),
        ("*.example.com", "https://a.est.example.com", False),
        ("*.com", "https://example.org", False),
        ("other.example.com", "https://est.example.com", False),
        ("other.example.com", "https://192.0.2.1", False),
        ("", "https://est.example.com", False),
    ],
)
def test_a_tls_certificate_without_the_public_name_is_told(
    load: Load, files: Files, names: str, public: str, *, covered: bool
) -> None:
    settings = load(
        {
            "SERVER_TLS_CERT_PATH": files.write("c.pem", files.certificate_pem(dns=names)),
            "SERVER_TLS_KEY_PATH": files.write("k.pem", files.key_pem()),
            "PUBLIC_URL": public,
            "PKI_HTTP_PORT": "80",
        }
    )
    assert [problem.split('"')[0] for problem in told(settings)] == (
        [] if covered else ["the certificate lacks the public name "]
    )


@pytest.mark.parametrize(
    ("days", "mode", "problem"),
    [
        (-1, 0o600, "the certificate has expired"),
        (10.5, 0o600, "the certificate expires in 10 days"),
        (1000, 0o644, "every user of this machine can read the key"),
    ],
)
def test_a_tls_pair_to_be_replaced_is_told(
    load: Load, files: Files, days: float, mode: int, problem: str
) -> None:
    settings = load(
        {
            "SERVER_TLS_CERT_PATH": files.write("c.pem", files.certificate_pem(days=days)),
            "SERVER_TLS_KEY_PATH": files.write("k.pem", files.key_pem(), mode=mode),
        }
    )
    assert told(settings) == [problem]


@pytest.mark.parametrize(("validity", "warns"), [("91d", True), ("89d", False)])
def test_a_ca_that_ends_before_its_certificates_is_told(
    load: Load, files: Files, validity: str, *, warns: bool
) -> None:
    settings = load(
        {
            "CA_CERT_PATH": files.write("ca.pem", files.certificate_pem(days=90)),
            "CA_KEY_PATH": files.write("ca.key", files.key_pem()),
            "ISSUER_ISS_LOCAL_VALIDITY": validity,
        }
    )
    assert bool(told(settings)) is warns
    assert all("the CA expires in 90 days" in problem for problem in told(settings))


def test_a_key_type_beside_a_given_ca_is_told(load: Load, files: Files) -> None:
    settings = load(
        {
            "CA_CERT_PATH": files.write("ca.pem", files.certificate_pem()),
            "CA_KEY_PATH": files.write("ca.key", files.key_pem()),
            "CA_KEY_TYPE": "P-384",
        }
    )
    assert told(settings) == [
        'issuer "iss-local": has no effect: the CA\'s key is given, none is made'
    ]


@pytest.mark.parametrize(("proxies", "times"), [("", 0), ("192.0.2.7,cert:" + "ab" * 32, 1)])
def test_channel_binding_behind_a_proxy_is_told(load: Load, proxies: str, times: int) -> None:
    given = profile(CHANNEL_BINDING_REQUIRED="true") | {"TRUSTED_PROXIES": proxies}
    try:
        warnings = load(given).warnings
    except SettingsRefused as refused:
        warnings = refused.warnings
    problem = 'profile "corp": devices behind the proxies of CERTCTL_TRUSTED_PROXIES cannot enroll'
    assert sum(each.problem.startswith(problem) for each in warnings) == times
