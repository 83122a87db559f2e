"""The database in wrong hands: copied without the config key, or changed under the server."""

from __future__ import annotations

import base64
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from certctl.issuers.vault import IssuerVault
from certctl.store import open_records
from tests.harness.device import Device
from tests.harness.issuers import LINE, WAIT_SECONDS, House, issuer_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with issuer_house(tmp_path_factory.mktemp("issuers")) as running:
        for each in ("factory", "other"):
            running.api.post("/issuers", {"id": each, "key_type": "P-384"})
        running.again(**LINE)
        yield running


def test_the_key_is_nowhere_in_plain(house: House) -> None:
    with closing(open_records(f"sqlite:///{house.server.database}")) as records:
        row = next(each for each in records.stored_issuers() if each.id == "factory")
    with closing(sqlite3.connect(house.server.database)) as database:
        (sealed,) = database.execute("SELECT sealed FROM issuers WHERE id = 'factory'").fetchone()
    secret = IssuerVault(house.key).open(row, sealed)
    key = load_der_private_key(secret, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ca = x509.load_der_x509_certificate(row.chain[0])
    assert key.public_key().public_bytes(*form) == ca.public_key().public_bytes(*form)
    number = key.private_numbers().private_value.to_bytes(48, "big")
    texts = [secret, number, house.key]
    texts += [base64.b64encode(each)[:40] for each in texts]
    texts += [each.hex().encode()[:60] for each in texts[:3]]
    answers = house.api.send("GET", "/issuers").body + house.api.send("GET", "/audit").body
    files = [path for path in house.server.directory.rglob("*") if path.is_file()]
    assert {"certctl.db", "server.log"} <= {path.name for path in files}
    for path in files:
        if path.name != "config.key":
            octets = path.read_bytes()
            assert not any(text in octets for text in texts), path
    assert not any(text in answers for text in texts)
    for kind, pids in house.server.processes().items():
        for pid in pids:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert base64.b64encode(house.key) not in environment, kind


def change(house: House, statement: str) -> None:
    with closing(sqlite3.connect(house.server.database)) as database:
        assert database.execute(statement).rowcount
        database.commit()


def test_a_row_that_was_changed_is_refused_and_the_rest_is_up(house: House) -> None:
    house.server.stop()
    with closing(sqlite3.connect(house.server.database)) as database:
        saved = database.execute("SELECT id, sealed, state FROM issuers").fetchall()
    for statement, says in (
        ("UPDATE issuers SET sealed = substr(sealed, 1, 40) WHERE id = 'factory'", "its row"),
        (
            """UPDATE issuers SET sealed = (SELECT sealed FROM issuers WHERE id = 'other')
            WHERE id = 'factory'""",
            "from another issuer",
        ),
        ("UPDATE issuers SET state = 'disabled' WHERE id = 'factory'", "its row"),
        ("UPDATE issuers SET sealed = x'0102' WHERE id = 'factory'", "damaged"),
    ):
        change(house, statement)
        before = len(house.server.log_events("issuer_unusable"))
        house.server.start()
        told = house.server.log_events("issuer_unusable")[before:]
        assert [each["issuer"] for each in told] == ["factory"]
        assert says in str(told[0]["problem"])
        assert house.enroll("line", Device(house.server.directory, "robot-5")) == 503
        assert house.enroll("corp", Device(house.server.directory, secrets.token_hex(4))) == 200
        found = house.api.post("/issuers/factory/test", {})
        assert (found["ok"], says in found["problem"]) == (False, True)
        assert "backup" in found["remedy"]
        assert house.refused("PATCH", "/issuers/factory", {"display_name": "x"})[0] == 409
        house.server.stop()
        with closing(sqlite3.connect(house.server.database)) as database:
            database.executemany(
                "UPDATE issuers SET sealed = ?, state = ? WHERE id = ?",
                [(sealed, state, issuer) for issuer, sealed, state in saved],
            )
            database.commit()
    house.server.start()
    assert house.enroll("line", Device(house.server.directory, "robot-6")) == 200


def test_the_wrong_config_key_does_not_start(house: House) -> None:
    house.server.stop()
    file = house.server.environment["CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"]
    other = house.server.directory / "other.key"
    for text, says in (
        (secrets.token_hex(32), "another CERTCTL_CONFIG_ENCRYPTION_KEY"),
        ("too short", "not 32 octets"),
    ):
        other.write_text(text)
        house.server.environment["CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"] = str(other)
        house.server.launch()
        assert house.server.process.wait(WAIT_SECONDS) == 2
        assert says in house.server.log()[-2_000:]
        assert text not in house.server.log()
    house.server.environment["CERTCTL_CONFIG_ENCRYPTION_KEY_FILE"] = file
    house.server.start()
