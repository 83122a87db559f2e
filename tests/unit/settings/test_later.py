"""Settings of features that are not there yet: refused when on, accepted when off."""

from __future__ import annotations

import pytest

from certctl.settings.catalogue import (
    ISSUER_VARIABLES,
    PROFILE_VARIABLES,
    SINGLE_VARIABLES,
    WEBHOOK_VARIABLES,
)
from certctl.settings.later import LATER
from tests.unit.settings.rig import Load, Refuse, profile

MTLS = {"MTLS_OWN_ONLY": "true"}

SWITCHED_ON = {
    "CORS_ORIGINS": "https://gui.example",
    "SERVERKEYGEN_ENABLED": "true",
    "SERVERKEYGEN_FORM": "pkcs8",
    "FULLCMC": "native",
    "FULLCMC_UPSTREAM": "https://upstream.example",
    "TYPE": "vault",
    "CA_KEY_TYPE": "ml-dsa-65",
    "CA_KEY_PATH": "pkcs11:token=x",
    "FALLBACK": "other",
}

OFF = {
    "SERVERKEYGEN_ENABLED": "off",
    "SERVERKEYGEN_FORM": "enveloped",
    "FULLCMC": "off",
    "TYPE": "local",
    "CA_KEY_TYPE": "p-384",
}


def spelled(name: str, text: str) -> tuple[str, dict[str, str]]:
    """The variable's whole name, and variables that set it in a good neighbourhood."""
    if any(variable.name == name for variable in PROFILE_VARIABLES):
        more = {"PROFILE_ID": "default"} if name == "SERVERKEYGEN_ENABLED" else {}
        return f"EST_PROFILE_CORP_{name}", profile(**(MTLS | more | {name: text}))
    if any(variable.name == name for variable in ISSUER_VARIABLES):
        return f"ISSUER_ISS_LOCAL_{name}", {f"ISSUER_ISS_LOCAL_{name}": text}
    return name, {name: text}


@pytest.mark.parametrize("name", SWITCHED_ON)
def test_switched_on_it_is_refused_in_clear_text(refuse: Refuse, name: str) -> None:
    variable, variables = spelled(name, SWITCHED_ON[name])
    faults = refuse(variables)
    assert faults[0].variable == f"CERTCTL_{variable}"
    assert str(faults[0]).startswith(f"CERTCTL_{variable}: not available in this version; ")
    # A key in a token needs its certificate beside it: the only second fault here.
    assert len(faults) == (2 if name == "CA_KEY_PATH" else 1)


@pytest.mark.parametrize("name", OFF)
def test_switched_off_it_is_accepted(load: Load, name: str) -> None:
    _, variables = spelled(name, OFF[name])
    assert load(variables)


def test_the_tables_name_each_other() -> None:
    assert {row.variable.name for row in LATER} == set(SWITCHED_ON)
    assert len({row.variable for row in LATER}) == len(LATER)


@pytest.mark.parametrize(
    "name", ["VAULT_ADDR", "STEPCA_URL", "EJBCA_API_URL", "OPENSSL_SIGN_SCRIPT"]
)
def test_connectors_by_their_short_names_are_refused(refuse: Refuse, name: str) -> None:
    (fault,) = refuse({name: "x"})
    assert str(fault) == f"CERTCTL_{name}: not available in this version; unset it"


def test_a_feature_that_is_not_there_is_checked_all_the_same(refuse: Refuse) -> None:
    faults = refuse(profile(SERVERKEYGEN_ENABLED="true"))
    assert [fault.problem for fault in faults] == [
        "not available in this version",
        'profile "corp": key generation without certificate profile',
    ]


def test_every_setting_of_the_specification_is_known() -> None:
    known = {variable.name for variable in (*SINGLE_VARIABLES, *PROFILE_VARIABLES)}
    known |= {variable.name for variable in (*ISSUER_VARIABLES, *WEBHOOK_VARIABLES)}
    working = set(
        """
        SERVER_HOST SERVER_PORT SERVER_TLS_CERT_PATH SERVER_TLS_KEY_PATH PUBLIC_URL TRUSTED_PROXIES
        MAX_CONNECTIONS MAX_CONNECTIONS_PER_SOURCE DATA_DIR WORKERS MAX_BODY_SIZE EST_MAX_BODY
        LOG_LEVEL LOG_FORMAT SHUTDOWN_GRACE ALLOW_UNKNOWN EST_ENABLED EST_PROFILES
        CONFIG_ENCRYPTION_KEY EST_ISSUER_ID EST_ROOT_PROFILE EST_REQUIRE_AUTH EST_LOCKOUT_FAILURES
        EST_LOCKOUT_WINDOW ISSUER_ID ALLOWED_AUTH_MODES
        ENROLLMENT_PASSWORD MTLS_ENABLED MTLS_CLIENT_CA_TRUST_BUNDLE_PATH MTLS_OWN_ONLY
        ACCEPT_FROM_PROFILES MTLS_CRL_POLICY RA_CERTIFICATES IDENTITY_BINDING
        REENROLL_REQUIRE_SAME_SUBJECT BASE64 INCLUDE_CHAIN TENANT
        PROFILE_ID EST_PROFILE_ID CERTIFICATE_PROFILES_DIR CSRATTRS_TEMPLATE
        ISSUERS SIGN FIND REVOKE TIMEOUT CA_CERT_PATH VALIDITY CA_KEY_PASSPHRASE
        TLS12_PORT CHANNEL_BINDING_REQUIRED CHALLENGE_PASSWORD
        RATE_LIMIT_PER_PRINCIPAL_24H DATABASE_URL DATABASE_READ_URL
        AUDIT_RETENTION RECORD_RETENTION AUDIT_COPY
        AUTH_TYPE API_KEYS_NAMED AUTH_SECRET
        RATE_LIMIT_ENABLED RATE_LIMIT_RPS RATE_LIMIT_BURST UI_IDLE_TIMEOUT MCP_ENABLED
        TRACES_ENABLED TRACES_PARENT
            REENROLL_KEY REENROLL_GRACE ON_REENROLL DEVICE_STATE_HOOK
        EXPIRY_NOTICE_DAYS WEBHOOKS WEBHOOK_URLS WEBHOOK_SECRET WEBHOOK_TYPES
        WEBHOOK_ALLOW_PRIVATE URL SECRET TYPES SLACK_WEBHOOK_URL SLACK_TYPES
        SMTP_HOST SMTP_PORT SMTP_USERNAME SMTP_PASSWORD SMTP_FROM_ADDRESS SMTP_TO_ADDRESSES
        SMTP_USE_TLS SMTP_TYPES
        PKI_HTTP_PORT CRL_GENERATION_INTERVAL CRL_DEBOUNCE CRL_VALIDITY
        CRL_DELTA_INTERVAL CRL_PARTITIONS
        OCSP_RESPONDER_VALIDITY OCSP_RESPONDER_ROTATION_GRACE OCSP_RATE_LIMIT_PER_IP_MIN
        METRICS_PORT METRICS_ADDRESS
    """.split()  # noqa: SIM905 - a table for people
    )
    assert known == working | set(SWITCHED_ON)
