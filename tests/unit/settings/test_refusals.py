"""The refusals of config §2, each named with its path ID, and all of them at once."""

from __future__ import annotations

import pytest

from tests.unit.settings.rig import Load, Refuse, profile

PREFIX = "EST_PROFILE_CORP_"
MODES = f"{PREFIX}ALLOWED_AUTH_MODES"


@pytest.mark.parametrize(
    ("variables", "variable", "problem"),
    [
        pytest.param(
            profile("corp_a"), "EST_PROFILES", 'bad path ID "corp_a"', id="path-id-underscore"
        ),
        pytest.param(
            profile("-corp"), "EST_PROFILES", 'bad path ID "-corp"', id="path-id-hyphen-first"
        ),
        pytest.param(
            profile("corp-"), "EST_PROFILES", 'bad path ID "corp-"', id="path-id-hyphen-last"
        ),
        pytest.param(profile("a/b"), "EST_PROFILES", 'bad path ID "a/b"', id="path-id-slash"),
        pytest.param(profile("ä"), "EST_PROFILES", 'bad path ID "ä"', id="path-id-not-ascii"),
        pytest.param(
            profile("a" * 64), "EST_PROFILES", f'bad path ID "{"a" * 64}"', id="path-id-long"
        ),
        *(
            pytest.param(
                profile(name), "EST_PROFILES", f'reserved path ID "{name}"', id=f"reserved-{name}"
            )
            for name in (
                "cacerts",
                "csrattrs",
                "simpleenroll",
                "simplereenroll",
                "serverkeygen",
                "fullcmc",
                "est",
                "est-mtls",
            )
        ),
        pytest.param(
            profile() | {"EST_PROFILES": "corp, CORP"},
            "EST_PROFILES",
            'doubled path ID "corp"',
            id="path-id-doubled",
        ),
        pytest.param(
            profile("wifi-guest") | {"EST_PROFILES": "wifi-guest,wifi_guest"},
            "EST_PROFILES",
            "the infix WIFI_GUEST fits two names: wifi-guest, wifi_guest",
            id="infix-fits-two",
        ),
        pytest.param(
            profile(ISSUER_ID=""),
            f"{PREFIX}ISSUER_ID",
            'profile "corp": no issuer',
            id="no-issuer",
        ),
        pytest.param(
            profile(ISSUER_ID="iss-vault"),
            f"{PREFIX}ISSUER_ID",
            'profile "corp": unknown issuer "iss-vault"',
            id="unknown-issuer",
        ),
        pytest.param(
            {"EST_ENABLED": "1", "EST_ISSUER_ID": "iss-vault"},
            "EST_ISSUER_ID",
            'unknown issuer "iss-vault"',
            id="unknown-issuer-of-the-single-profile",
        ),
        pytest.param(
            profile(MTLS_ENABLED="true"),
            f"{PREFIX}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH",
            'profile "corp": mTLS without bundle',
            id="mtls-without-bundle",
        ),
        pytest.param(
            profile(MTLS_ENABLED="true", ALLOWED_AUTH_MODES="basic"),
            f"{PREFIX}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH",
            'profile "corp": mTLS without bundle',
            id="mtls-without-bundle-not-allowed-either",
        ),
        pytest.param(
            profile(ENROLLMENT_PASSWORD="", CHANNEL_BINDING_REQUIRED="true"),
            f"{PREFIX}CHANNEL_BINDING_REQUIRED",
            'profile "corp": channel binding without any authentication',
            id="binding-without-authentication",
        ),
        pytest.param(
            profile(CHANNEL_BINDING_REQUIRED="true", CHALLENGE_PASSWORD="ignore"),
            f"{PREFIX}CHALLENGE_PASSWORD",
            'profile "corp": ignores what CHANNEL_BINDING_REQUIRED needs',
            id="binding-ignored",
        ),
        pytest.param(
            profile(ALLOWED_AUTH_MODES="basic,kerberos"),
            MODES,
            'profile "corp": "kerberos" is not one of them',
            id="unknown-mode",
        ),
        pytest.param(
            profile(ALLOWED_AUTH_MODES="basic,mtls"),
            MODES,
            'profile "corp": mtls without MTLS_ENABLED',
            id="mtls-not-enabled",
        ),
        pytest.param(
            profile(ALLOWED_AUTH_MODES="basic", ENROLLMENT_PASSWORD=""),
            MODES,
            'profile "corp": basic without password',
            id="basic-without-password",
        ),
        pytest.param(
            profile(ALLOWED_AUTH_MODES="basic,anonymous"),
            MODES,
            'profile "corp": anonymous beside basic: nobody would ever need the password',
            id="anonymous-beside-basic",
        ),
        pytest.param(
            profile(RATE_LIMIT_PER_PRINCIPAL_24H="-1"),
            f"{PREFIX}RATE_LIMIT_PER_PRINCIPAL_24H",
            'profile "corp": a negative number',
            id="negative-limit",
        ),
        pytest.param(
            profile(SERVERKEYGEN_ENABLED="true"),
            f"{PREFIX}SERVERKEYGEN_ENABLED",
            'profile "corp": key generation without certificate profile',
            id="keygen-without-certificate-profile",
        ),
        pytest.param(
            profile(SERVERKEYGEN_FORM="zip"),
            f"{PREFIX}SERVERKEYGEN_FORM",
            'profile "corp": "zip" is not one of them',
            id="form-out-of-range",
        ),
        pytest.param(
            profile(REENROLL_GRACE="9999d"),
            f"{PREFIX}REENROLL_GRACE",
            'profile "corp": out of range',
            id="number-out-of-range",
        ),
        pytest.param(
            profile(FULLCMC="proxy"),
            f"{PREFIX}FULLCMC",
            'profile "corp": proxy fullcmc without upstream',
            id="fullcmc-without-upstream",
        ),
        pytest.param(
            profile(IDENTITY_BINDING="cn"),
            f"{PREFIX}IDENTITY_BINDING",
            'profile "corp": needs client certificates',
            id="identity-binding-without-mtls",
        ),
        pytest.param(
            profile(ACCEPT_FROM_PROFILES="iot"),
            f"{PREFIX}ACCEPT_FROM_PROFILES",
            'profile "corp": unknown profile "iot"',
            id="accepts-from-nobody",
        ),
        pytest.param(
            profile(ACCEPT_FROM_PROFILES="Corp"),
            f"{PREFIX}ACCEPT_FROM_PROFILES",
            'profile "corp": names the profile itself',
            id="accepts-from-itself",
        ),
        pytest.param(
            profile() | {"EST_ROOT_PROFILE": "iot"},
            "EST_ROOT_PROFILE",
            'unknown profile "iot"',
            id="unknown-root-profile",
        ),
        pytest.param(
            {"EST_ENABLED": "1", "EST_ROOT_PROFILE": "corp"},
            "EST_ROOT_PROFILE",
            'unknown profile "corp"',
            id="root-profile-of-the-single-profile",
        ),
        pytest.param(
            profile(ENROLLMENT_PASSWORD="") | {"EST_REQUIRE_AUTH": "true"},
            "EST_REQUIRE_AUTH",
            'profile "corp" is anonymous',
            id="anonymous-refused",
        ),
        pytest.param(
            profile(ALLOWED_AUTH_MODES="anonymous") | {"EST_REQUIRE_AUTH": "true"},
            "EST_REQUIRE_AUTH",
            'profile "corp" is anonymous',
            id="explicitly-anonymous-refused",
        ),
        pytest.param(
            {"EST_ENABLED": "true", "EST_REQUIRE_AUTH": "true"},
            "EST_REQUIRE_AUTH",
            "the single profile at the root is anonymous",
            id="anonymous-root-refused",
        ),
        pytest.param(
            profile(TENANT="a b"),
            f"{PREFIX}TENANT",
            'profile "corp": not a label',
            id="tenant",
        ),
        pytest.param(
            {"SERVER_TLS_CERT_PATH": "server.pem"},
            "SERVER_TLS_CERT_PATH",
            "is set, but CERTCTL_SERVER_TLS_KEY_PATH is not",
            id="tls-certificate-without-key",
        ),
        pytest.param(
            {"SERVER_TLS_KEY_PATH": "server.key"},
            "SERVER_TLS_KEY_PATH",
            "is set, but CERTCTL_SERVER_TLS_CERT_PATH is not",
            id="tls-key-without-certificate",
        ),
        pytest.param(
            {"CA_CERT_PATH": "ca.pem"},
            "CA_CERT_PATH",
            'issuer "iss-local": is set, but CERTCTL_ISSUER_ISS_LOCAL_CA_KEY_PATH is not',
            id="ca-certificate-without-key",
        ),
        pytest.param(
            {"ISSUERS": "corp", "ISSUER_CORP_TYPE": "local", "CA_KEY_TYPE": "P-384"},
            "CA_KEY_TYPE",
            'issuer "iss-local": CERTCTL_ISSUERS does not list it',
            id="short-name-without-its-issuer",
        ),
        pytest.param(
            {"ISSUERS": "corp"}, "ISSUER_CORP_TYPE", 'issuer "corp": no type', id="no-type"
        ),
        pytest.param(
            {"ISSUERS": "iss-local,ISS-LOCAL"},
            "ISSUERS",
            "an issuer is listed twice",
            id="issuer-doubled",
        ),
        pytest.param(
            {
                "ISSUERS": "a-b,a_b",
                "ISSUER_A_B_TYPE": "local",
            },
            "ISSUERS",
            "the infix A_B fits two names: a-b, a_b",
            id="issuer-infix",
        ),
        pytest.param({"ISSUERS": "a_b"}, "ISSUERS", 'bad issuer id "a_b"', id="issuer-id"),
        pytest.param(
            {"TLS12_PORT": "8443"},
            "TLS12_PORT",
            "is CERTCTL_SERVER_PORT as well",
            id="one-port-for-both-listeners",
        ),
        pytest.param(
            {"TLS12_PORT": "65536"},
            "TLS12_PORT",
            "out of range",
            id="port-that-is-none",
        ),
        pytest.param(
            {"PKI_HTTP_PORT": "8443"},
            "PKI_HTTP_PORT",
            "is CERTCTL_SERVER_PORT as well",
            id="one-port-with-and-without-tls",
        ),
        pytest.param(
            {"PKI_HTTP_PORT": "9443", "TLS12_PORT": "9443"},
            "PKI_HTTP_PORT",
            "is CERTCTL_TLS12_PORT as well",
            id="one-port-for-old-devices-and-without-tls",
        ),
        pytest.param(
            {"PKI_HTTP_PORT": "9443", "METRICS_PORT": "9443"},
            "METRICS_PORT",
            "is CERTCTL_PKI_HTTP_PORT as well",
            id="one-port-for-crls-and-metrics",
        ),
        pytest.param(
            {"CRL_VALIDITY": "1h"},
            "CRL_VALIDITY",
            "not longer than CERTCTL_CRL_GENERATION_INTERVAL: each CRL would be stale before"
            " the next one is there",
            id="crl-stale-before-the-next",
        ),
        pytest.param(
            {"CRL_DELTA_INTERVAL": "5m", "PKI_HTTP_PORT": "8080"},
            "CRL_DELTA_INTERVAL",
            "a reader finds delta CRLs by a URL, and without CERTCTL_PUBLIC_URL and"
            " CERTCTL_PKI_HTTP_PORT there is none",
            id="delta-crls-that-nobody-finds",
        ),
        pytest.param(
            {"CRL_PARTITIONS": "4", "PUBLIC_URL": "https://pki.example.org"},
            "CRL_PARTITIONS",
            "a reader finds the CRL of a partition by its URL alone, and without"
            " CERTCTL_PUBLIC_URL and CERTCTL_PKI_HTTP_PORT there is none",
            id="partitions-that-nobody-finds",
        ),
        pytest.param(
            {
                "CRL_DELTA_INTERVAL": "31m",
                "PUBLIC_URL": "https://pki.example.org",
                "PKI_HTTP_PORT": "8080",
            },
            "CRL_DELTA_INTERVAL",
            "more than half of CERTCTL_CRL_GENERATION_INTERVAL: full CRLs would be as fresh as"
            " delta CRLs",
            id="delta-crls-as-rare-as-full-ones",
        ),
    ],
)
def test_refused_at_start(
    refuse: Refuse, variables: dict[str, str], variable: str, problem: str
) -> None:
    found = {(fault.variable, fault.problem): fault for fault in refuse(variables)}
    assert (f"CERTCTL_{variable}", problem) in found
    assert found[f"CERTCTL_{variable}", problem].remedy


def test_all_faults_come_at_once(refuse: Refuse) -> None:
    faults = refuse(
        profile(ISSUER_ID="", MTLS_ENABLED="ture", BASE64="round")
        | {"SERVER_PORT": "x", "LOG_LEVEL": "y", "METRICS_PORT": "x", "SERVER_PROT": "1"}
        | {"EST_PROFILES": "corp,est"},
        file="CERTCTL_EST_REQUIRE_AUTH=perhaps\nnonsense\n",
    )
    assert [fault.variable.removeprefix("CERTCTL_").split("/")[-1] for fault in faults] == [
        "server.env",
        "EST_REQUIRE_AUTH",
        f"{PREFIX}MTLS_ENABLED",
        f"{PREFIX}BASE64",
        "SERVER_PORT",
        "LOG_LEVEL",
        "METRICS_PORT",
        "SERVER_PROT",
        "EST_PROFILES",
        f"{PREFIX}ISSUER_ID",
        "EST_PROFILE_EST_ISSUER_ID",
    ]
    assert "server.env line 1" in faults[1].came


@pytest.mark.parametrize(
    "variables",
    [
        profile(ALLOWED_AUTH_MODES="basik"),
        profile(ALLOWED_AUTH_MODES="basik", ENROLLMENT_PASSWORD=""),
        profile(MTLS_ENABLED="ture", ENROLLMENT_PASSWORD=""),
        profile(MTLS_ENABLED="ture", ALLOWED_AUTH_MODES="mtls", ENROLLMENT_PASSWORD=""),
        profile(ENROLLMENT_PASSWORD="", ENROLLMENT_PASSWORD_FILE="/missing"),
        profile(ENROLLMENT_PASSWORD_FILE="/missing"),
    ],
)
def test_one_slip_is_not_told_as_several(refuse: Refuse, variables: dict[str, str]) -> None:
    faults = refuse(variables | {"EST_REQUIRE_AUTH": "true"})
    told = [fault.problem for fault in faults if "mTLS without bundle" not in fault.problem]
    assert len(told) == 1


def test_a_password_that_cannot_be_read_still_counts_as_wanted(refuse: Refuse) -> None:
    unreadable = {"ENROLLMENT_PASSWORD": "", "ENROLLMENT_PASSWORD_FILE": "/missing"}
    faults = refuse(profile(CHANNEL_BINDING_REQUIRED="true", **unreadable))
    assert not [fault for fault in faults if "without any authentication" in fault.problem]


def test_profiles_are_parsed_but_not_judged_while_est_is_off(load: Load, refuse: Refuse) -> None:
    off = profile(ISSUER_ID="nobody", MTLS_ENABLED="true") | {"EST_ENABLED": "false"}
    settings = load(off)
    assert settings.est.profiles == ()
    assert "is off" in settings.warnings[0].problem
    assert refuse(off | {f"{PREFIX}BASE64": "round"})[0].variable == f"CERTCTL_{PREFIX}BASE64"


def test_two_spellings_with_different_values_are_refused(load: Load, refuse: Refuse) -> None:
    both = profile("wifi-guest", TENANT="a")
    same = load(both | {"EST_PROFILE_WIFI-GUEST_TENANT": "a"})
    assert same.est.profiles[0].profile.tenant == "a"
    (fault,) = refuse(both | {"EST_PROFILE_WIFI-GUEST_TENANT": "b"})
    assert "two spellings" in fault.problem
    assert "CERTCTL_EST_PROFILE_WIFI-GUEST_TENANT is set too" in fault.problem
