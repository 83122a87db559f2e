"""Names: unknown ones refuse with the nearest, foreign ones are told apart."""

from __future__ import annotations

import pytest

from certctl.cli.mcp import remote
from certctl.cli.reference import HEAD
from certctl.cli.remote import contexts
from certctl.settings import Severity
from tests.unit.settings.rig import Load, Refuse, profile


@pytest.mark.parametrize(
    ("variables", "unknown", "nearest"),
    [
        ({"EST_REQUIRE_AUHT": "true"}, "EST_REQUIRE_AUHT", "EST_REQUIRE_AUTH"),
        ({"SERVER_TLS_CERT": "x"}, "SERVER_TLS_CERT", "SERVER_TLS_CERT_PATH"),
        (
            profile(ENROLMENT_PASSWORD="x"),
            "EST_PROFILE_CORP_ENROLMENT_PASSWORD",
            "EST_PROFILE_CORP_ENROLLMENT_PASSWORD",
        ),
        (
            profile() | {"EST_PROFILE_CROP_TENANT": "x"},
            "EST_PROFILE_CROP_TENANT",
            "EST_PROFILE_CORP_TENANT",
        ),
        (profile(TENANT_FILE="x"), "EST_PROFILE_CORP_TENANT_FILE", "EST_PROFILE_CORP_TENANT"),
        ({"ISSUER_ISS_LOCAL_TIPE": "x"}, "ISSUER_ISS_LOCAL_TIPE", "ISSUER_ISS_LOCAL_TYPE"),
        ({"QQQQQQ": "x"}, "QQQQQQ", None),
        ({"": "x"}, "", None),
        ({"EST_PROFILE_<NAME>_QQ": "x"}, "EST_PROFILE_<NAME>_QQ", None),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    refuse: Refuse, variables: dict[str, str], unknown: str, nearest: str | None
) -> None:
    (fault,) = refuse(variables)
    assert fault.variable == f"CERTCTL_{unknown}"
    assert fault.problem.startswith("unknown name")
    if nearest:
        assert f"did you mean CERTCTL_{nearest}?" in fault.remedy
    assert "CERTCTL_ALLOW_UNKNOWN=true" in fault.remedy


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("EST_PROFILE_IOT_TENANT", "CERTCTL_EST_PROFILES lists no iot"),
        ("EST_PROFILE_IOT_ENROLLMENT_PASSWORD_FILE", "CERTCTL_EST_PROFILES lists no iot"),
        ("ISSUER_BAO_TYPE", "CERTCTL_ISSUERS lists no bao"),
        ("WEBHOOK_OPS_SECRET_FILE", "CERTCTL_WEBHOOKS lists no ops"),
    ],
)
def test_a_family_that_nobody_lists_is_told_so(refuse: Refuse, name: str, why: str) -> None:
    (fault,) = refuse(profile() | {name: "x"})
    assert fault.problem == f"unknown name: {why}"


def test_unknown_names_only_warn_when_allowed(load: Load, refuse: Refuse) -> None:
    unknown = {"EST_REQUIRE_AUHT": "true"}
    (warning,) = load(unknown | {"ALLOW_UNKNOWN": "true"}).warnings
    assert warning.severity is Severity.WARNING
    assert "CERTCTL_EST_REQUIRE_AUTH" in warning.remedy
    assert refuse(unknown | {"ALLOW_UNKNOWN": "false"})


@pytest.mark.parametrize(
    "name", ["SCEP_PROFILES", "ACME_SERVER_ENABLED", "SCHEDULER_JOB_PROCESSOR_INTERVAL"]
)
def test_names_of_the_original_warn(load: Load, name: str) -> None:
    (warning,) = load({name: "x"}).warnings
    assert (warning.variable, warning.problem) == (f"CERTCTL_{name}", "has no effect here")


@pytest.mark.parametrize(
    "name",
    [
        "SERVER_URL",
        "API_KEY",
        "API_KEY_FILE",
        "SERVER_CA_BUNDLE_PATH",
        "SERVER_TLS_INSECURE_SKIP_VERIFY",
        "SERVICE_HOST",
        "SERVICE_PORT_HTTPS",
        "PORT",
        "PORT_8443_TCP_ADDR",
        "SERVER_SERVICE_HOST",
        "SERVER_PORT_8443_TCP",
    ],
)
def test_names_of_clients_and_service_links_are_left_alone(load: Load, name: str) -> None:
    assert load({name: "tcp://10.0.0.1:8443"}).warnings == ()


CLIENT_VARIABLES = {
    value
    for module in (contexts, remote)
    for value in vars(module).values()
    if isinstance(value, str) and value.startswith("CERTCTL_")
}


@pytest.mark.parametrize("name", sorted(CLIENT_VARIABLES))
def test_what_the_clients_read_is_left_alone_by_a_server(load: Load, name: str) -> None:
    assert load({name.removeprefix("CERTCTL_"): "lab"}).warnings == ()


@pytest.mark.parametrize("name", sorted(CLIENT_VARIABLES))
def test_what_the_clients_read_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in HEAD


def test_a_service_link_that_hides_the_port_is_explained(refuse: Refuse) -> None:
    (fault,) = refuse({"SERVER_PORT": "tcp://10.0.0.1:8443"})
    assert "enableServiceLinks: false" in fault.remedy


def test_other_variables_of_the_environment_are_none_of_ours(load: Load) -> None:
    assert load(outside={"PATH": "/bin", "EST_ENABLED": "perhaps"}).warnings == ()


def test_an_empty_unknown_name_is_unset(load: Load) -> None:
    assert load({"EST_REQUIRE_AUHT": ""}).warnings == ()
