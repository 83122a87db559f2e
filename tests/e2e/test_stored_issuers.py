"""Issuers made over the API: a CA whose key the store keeps sealed, from birth to deletion."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.api_keys import Role
from certctl.domain.audit import Outcome
from certctl.store import open_records
from tests.harness.api import host_command
from tests.harness.device import Device, name
from tests.harness.issuers import LINE, WAIT_SECONDS, House, Offline, issuer_house, pem, program
from tests.harness.replacing import replace


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with issuer_house(tmp_path_factory.mktemp("issuers")) as running:
        yield running


def test_a_local_ca_is_tried_without_issuing(house: House) -> None:
    before = house.issued()
    told = house.api.post("/issuers/iss-local/test", {})
    assert (told["ok"], told["problem"], told["remedy"]) == (True, None, None)
    assert told["key"] == "ECDSA-256"
    assert told["days_to_expiry"] >= 3_650
    assert [each["sha256"] for each in told["chain"]] == [
        hashlib.sha256(house.published("/ca/iss-local.crt").body).hexdigest()
    ]
    assert house.issued() == before
    event = house.events("issuer_tested")[0].event
    assert (event.actor, event.resource_id, event.outcome) == (
        "key:root",
        "iss-local",
        Outcome.SUCCESS,
    )
    assert house.api.get("/issuers/iss-local")["last_test"]["ok"] is True


def test_a_script_is_asked_and_its_fault_is_told(house: House) -> None:
    assert house.api.post("/issuers/outside/test", {})["ok"] is True
    program(house.find, "echo the CA is on holiday >&2; exit 3")
    told = house.api.post("/issuers/outside/test", {})
    assert told["ok"] is False
    assert "the CA is on holiday" in told["problem"]
    assert "FIND program" in told["remedy"]
    event = house.events("issuer_tested")[0].event
    assert (event.resource_id, event.outcome) == ("outside", Outcome.FAILURE)
    assert house.api.get("/issuers/outside")["last_test"]["problem"] == told["problem"]
    assert not (house.find.parent / "signed").exists()
    program(house.find, "exit 0")


def test_no_such_issuer_is_not_tried(house: House) -> None:
    assert house.refused("POST", "/issuers/nobody/test", {})[0] == 404


def test_what_is_made_is_published_within_seconds(house: House) -> None:
    made = house.api.post(
        "/issuers", {"id": "factory", "display_name": "Fabrik <Süd>", "key_type": "P-384"}
    )
    assert made == {"id": "factory", "version": 1, "state": "enabled"}
    shown = house.api.get("/issuers/factory")
    assert (shown["origin"], shown["key"], shown["display_name"], shown["set_by"]) == (
        "store",
        "ECDSA-384",
        "Fabrik <Süd>",
        None,
    )
    house.eventually(lambda: house.published("/ca/factory.crt").status == 200)
    ca = x509.load_der_x509_certificate(house.published("/ca/factory.crt").body)
    house.eventually(lambda: house.published("/crl/factory").status == 200)
    crl = x509.load_der_x509_crl(house.published("/crl/factory").body)
    assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    house.eventually(lambda: house.api.get("/issuers/factory")["ocsp_responder"] is not None)
    assert house.api.post("/issuers/factory/test", {})["ok"] is True
    assert house.changes("factory") == ["created"]


def test_a_large_rsa_key_is_made_beside_the_orders(house: House) -> None:
    body = {"id": "large", "key_type": "RSA-4096"}
    made = house.api.post("/issuers", body, Idempotency_Key="large")
    assert house.api.post("/issuers", body, Idempotency_Key="large") == made
    assert house.api.get("/issuers/large")["key"] == "RSA-4096"


@pytest.mark.parametrize(
    ("body", "status", "error", "says"),
    [
        ({"id": "x", "type": "script"}, 422, "type_not_over_network", "on the host"),
        ({"id": "x", "type": "vault"}, 422, "unknown_type", "Use local"),
        ({"id": "iss-local"}, 409, "set_on_host", "CERTCTL_ISSUER_ISS_LOCAL_TYPE"),
        ({"id": "factory"}, 409, "conflict", "there already"),
        ({"id": "-x"}, 422, None, ""),
        ({"id": "x", "key_type": "DES"}, 422, None, ""),
        ({"id": "x", "key": "given"}, 422, None, ""),
        ({"id": "x", "display_name": "a\nb"}, 422, None, ""),
    ],
)
def test_what_cannot_be_made_is_refused(
    house: House, body: dict[str, object], status: int, error: str | None, says: str
) -> None:
    before = len(house.api.get("/issuers")["data"])
    found, problem = house.refused("POST", "/issuers", body)
    assert found == status
    assert error in (None, problem["error"])
    assert says in problem["detail"]
    assert len(house.api.get("/issuers")["data"]) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/issuers/iss-local", {"enabled": False}),
        ("DELETE", "/issuers/iss-local", None),
        ("POST", "/issuers/iss-local/certificate", {"certificate": "x"}),
    ],
)
def test_issuers_of_the_host_are_read_only(
    house: House, method: str, path: str, body: object
) -> None:
    status, problem = house.refused(method, path, body)
    assert (status, problem["error"]) == (409, "set_on_host")
    assert "CERTCTL_ISSUER_ISS_LOCAL_TYPE" in problem["rule"]


WRITES: tuple[tuple[str, str, object], ...] = (
    ("POST", "/issuers", {"id": "mine"}),
    ("PATCH", "/issuers/factory", {"enabled": False}),
    ("DELETE", "/issuers/factory", None),
    ("POST", "/issuers/factory/certificate", {"certificate": "x"}),
    ("POST", "/issuers/factory/test", {}),
)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_write(house: House, role: Role) -> None:
    key = house.api.make_key(f"the-{role.value}", role)
    held = house.api.make_key(f"held-{role.value}", Role.ADMIN, profiles=["corp"])
    for each in (key, held):
        for method, path, body in WRITES:
            answer = house.api.with_key(each).send(method, path, body)
            assert answer.status == 403, (path, answer.text)
    assert house.api.with_key(key).get("/issuers/factory")["state"] == "enabled"
    assert [each["id"] for each in house.api.with_key(held).get("/issuers")["data"]] == [
        "iss-local"
    ]
    assert house.api.get("/issuers/factory")["version"] == 1


def test_a_sub_ca_takes_its_certificate_and_nothing_else(house: House) -> None:
    root, other = Offline(), Offline()
    made = house.api.post(
        "/issuers", {"id": "sub", "subordinate": True, "common_name": "Werk 7 CA"}
    )
    assert made["state"] == "pending"
    shown = house.api.get("/issuers/sub")
    assert (shown["chain"], shown["days_to_expiry"]) == ([], None)
    request = x509.load_pem_x509_csr(shown["csr"].encode())
    assert request.is_signature_valid
    assert request.subject == name("Werk 7 CA")
    assert house.refused("PATCH", "/issuers/sub", {"enabled": True})[0] == 409
    assert house.refused("POST", "/issuers/sub/test", {})[0] == 404
    key = request.public_key()
    good = root.certify(request.subject, key)
    for certificates, says in (
        ("no certificate", "PEM"),
        (pem(good), "root"),
        (pem(root.certify(request.subject, other.key.public_key()), root.certificate), "key"),
        (pem(root.certify(request.subject, key, ca=False), root.certificate), "not a CA"),
        (pem(root.certify(request.subject, key, days=(-9, -2)), root.certificate), "expired"),
        (pem(good, other.certificate), "did not issue"),
    ):
        status, problem = house.refused(
            "POST", "/issuers/sub/certificate", {"certificate": certificates}
        )
        assert status in (409, 422)
        assert says in problem["detail"], problem
    assert house.api.get("/issuers/sub")["state"] == "pending"
    body = {"certificate": pem(good, root.certificate)}
    assert house.api.post("/issuers/sub/certificate", body)["state"] == "enabled"
    assert house.api.post("/issuers/sub/test", {})["ok"] is True
    status, problem = house.refused("POST", "/issuers/sub/certificate", body)
    assert (status, "never exchanged" in problem["detail"]) == (409, True)
    house.eventually(lambda: house.published("/crl/sub").status == 200)
    assert house.changes("sub") == ["created", "certificate installed"]


def test_an_est_profile_uses_it_after_a_start(house: House) -> None:
    house.again(**LINE)
    device = Device(house.server.directory, "robot-1")
    assert house.enroll("line", device) == 200
    ca = x509.load_der_x509_certificate(house.published("/ca/factory.crt").body)
    assert device.certificate is not None
    device.certificate.verify_directly_issued_by(ca)
    points = device.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    assert points.value[0].full_name[0].value.endswith("/crls/factory.crl")
    assert house.api.get("/issuers/factory")["profiles"] == ["line"]


def test_disabled_it_issues_nothing_and_its_status_goes_on(house: House) -> None:
    certificate = next(
        each
        for each in house.api.get("/certificates?per_page=500")["data"]
        if each["subject"] == "CN=robot-1"
    )
    changed = house.api.send("PATCH", "/issuers/factory", {"enabled": False, "expected_version": 1})
    assert json.loads(changed.body) == {"id": "factory", "version": 2, "state": "disabled"}
    before = house.issued()
    assert house.enroll("line", Device(house.server.directory, "robot-2")) == 503
    assert house.issued() == before
    assert house.enroll("corp", Device(house.server.directory, "office-1")) == 200
    csr = Device(house.server.directory, "robot-2").csr().public_bytes(Encoding.PEM).decode()
    told = house.api.post("/est/explain", {"profile": "line", "csr": csr, "user": "x"})
    assert [each["rule"] for each in told["rules"] if each["verdict"] == "failed"] == ["issuer"]
    house.api.post(f"/certificates/{certificate['id']}/revoke", {"reason": "keyCompromise"})
    serial = int(certificate["serial"], 16)

    def listed() -> bool:
        crl = x509.load_der_x509_crl(house.published("/crl/factory").body)
        return crl.get_revoked_certificate_by_serial_number(serial) is not None

    house.eventually(listed)
    assert house.api.post("/issuers/factory/test", {})["ok"] is True
    status, problem = house.refused("PATCH", "/issuers/factory", {"expected_version": 1})
    assert (status, "version 2" in problem["detail"]) == (409, True)
    house.again()
    assert house.enroll("line", Device(house.server.directory, "robot-3")) == 503
    assert house.published("/crl/factory").status == 200
    changed = house.api.send("PATCH", "/issuers/factory", {"enabled": True})
    assert json.loads(changed.body)["state"] == "enabled"
    assert house.enroll("line", Device(house.server.directory, "robot-4")) == 200
    assert house.changes("factory") == ["created", "disabled", "enabled"]


def test_only_what_nothing_needs_is_deleted(house: House) -> None:
    status, problem = house.refused("DELETE", "/issuers/factory")
    assert (status, 'EST profile "line"' in problem["detail"]) == (409, True)
    assert house.published("/ca/large.crt").status == 200
    answer = house.api.send("DELETE", "/issuers/large")
    assert json.loads(answer.body)["state"] == "deleted"
    assert house.refused("GET", "/issuers/large")[0] == 404
    assert house.refused("PATCH", "/issuers/large", {"enabled": True})[0] == 404
    assert house.refused("POST", "/issuers/large/test", {})[0] == 404
    house.eventually(lambda: house.published("/ca/large.crt").status == 404)
    assert not house.server.ca_file.with_name("ocsp-large.pem").exists()
    status, problem = house.refused("POST", "/issuers", {"id": "large"})
    assert (status, "its id stays" in problem["detail"]) == (409, True)
    with closing(sqlite3.connect(house.server.database)) as database:
        found = database.execute("SELECT sealed FROM issuers WHERE id = 'large'").fetchone()
    assert found == (b"",)


def test_with_live_certificates_it_stays_though_no_profile_names_it(house: House) -> None:
    house.again(EST_PROFILE_LINE_ISSUER_ID="iss-local")
    status, problem = house.refused("DELETE", "/issuers/factory")
    assert (status, "has 2 certificates" in problem["detail"]) == (409, True)
    assert "disable it" in problem["detail"]
    house.again(EST_PROFILE_LINE_ISSUER_ID="factory")


def test_a_backup_holds_its_issuers_and_every_certificate_is_theirs(
    house: House, tmp_path: Path
) -> None:
    checked = host_command(house.server, "cert-check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    file = tmp_path / "certctl.backup"
    made = host_command(house.server, "backup", str(file))
    assert made.returncode == 0, made.stderr
    assert "config.key" in made.stdout + made.stderr
    elsewhere = replace(
        house.server,
        environment=house.server.environment | {"CERTCTL_DATA_DIR": str(tmp_path / "data")},
    )
    done = host_command(elsewhere, "restore", str(file))
    assert done.returncode == 0, done.stderr
    with closing(open_records(f"sqlite:///{tmp_path}/data/certctl.db")) as records:
        restored = records.stored_issuers()
    with closing(house.server.records()) as records:
        assert records.stored_issuers() == restored
    assert [each.state.value for each in restored] == ["enabled", "deleted", "enabled"]


def test_an_issuer_that_is_nowhere_does_not_start(house: House) -> None:
    house.server.stop()
    house.server.environment["CERTCTL_EST_PROFILE_LINE_ISSUER_ID"] = "large"
    house.server.launch()
    assert house.server.process.wait(WAIT_SECONDS) == 2
    assert 'EST profile "line" wants issuer "large"' in house.server.log()[-2_000:]
    house.server.environment["CERTCTL_EST_PROFILE_LINE_ISSUER_ID"] = "factory"
    house.server.start()


def test_without_a_config_key_nothing_is_made_and_the_rest_serves(house: House) -> None:
    house.server.stop(signal.SIGTERM)
    file = house.server.environment.pop("CERTCTL_CONFIG_ENCRYPTION_KEY_FILE")
    house.server.launch()
    assert house.server.process.wait(WAIT_SECONDS) == 2
    assert "unknown issuer" in house.server.log()[-2_000:]
    house.server.environment["CERTCTL_EST_PROFILE_LINE_ISSUER_ID"] = "iss-local"
    house.server.start()
    for method, path, body in (
        ("POST", "/issuers", {"id": "new"}),
        ("PATCH", "/issuers/factory", {"enabled": False}),
        ("POST", "/issuers/factory/certificate", {"certificate": "x"}),
    ):
        status, problem = house.refused(method, path, body)
        assert (status, problem["error"]) == (409, "no_config_key")
        assert "CERTCTL_CONFIG_ENCRYPTION_KEY_FILE" in problem["remedy"]
    found = house.api.post("/issuers/factory/test", {})
    assert (found["ok"], "no config key" in found["problem"]) == (False, True)
    assert house.enroll("corp", Device(house.server.directory, "office-2")) == 200
    house.server.environment["CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"] = file
