# ruff: noqa: S608 - statements out of our own words
"""What tests of cert-check plant into a copied database, and what must be found."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

# Rows by name: ids rise with time, and the server's own certificate is the first.
PICK = "(SELECT id FROM certificates WHERE subject = 'CN={}')"
ONE = PICK.format("device-1")
TWO = PICK.format("device-2")
REVOKED = PICK.format("device-3")
RELEASED = PICK.format("device-5")
IN_BULK = PICK.format("device-6")
IMPORTED = "(SELECT id FROM certificates WHERE source = 'API')"

SEVENS = "07" * 20

Plant = Callable[[sqlite3.Connection], object]


def forged(*, ca: bool) -> Plant:
    """Another certificate in the row of device-1, with a fingerprint that fits."""

    def put(connection: sqlite3.Connection) -> None:
        (der,) = connection.execute(f"SELECT der FROM certificates WHERE id = {ONE}").fetchone()
        real = x509.load_der_x509_certificate(der)
        builder = (
            x509.CertificateBuilder()
            .subject_name(real.subject)
            .issuer_name(real.issuer)
            .public_key(real.public_key())
            .serial_number(real.serial_number)
            .not_valid_before(real.not_valid_before_utc)
            .not_valid_after(real.not_valid_after_utc)
        )
        for extension in real.extensions:
            value = extension.value
            if isinstance(value, x509.BasicConstraints):
                value = x509.BasicConstraints(ca=ca, path_length=None)
            builder = builder.add_extension(value, critical=extension.critical)
        forgery = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        connection.execute(
            f"UPDATE certificates SET der = ?, fingerprint = ? WHERE id = {ONE}",
            (forgery.public_bytes(Encoding.DER), forgery.fingerprint(hashes.SHA256())),
        )

    return put


def events_of(certificate: str) -> str:
    return f"resource_type = 'certificate' AND resource_id = {certificate}"


COPY_EVENT = (
    "INSERT INTO audit_events SELECT node, (SELECT max(seq) FROM audit_events) + 1, id || 'x',"
    " time_us, actor, actor_type, action, outcome, profile, resource_type, {resource},"
    " source_address, request_id, auth_mode, client_certificate_subject,"
    " client_certificate_serial, tls_version, count, details, tenant, previous_digest, digest"
    " FROM audit_events WHERE " + events_of("{certificate}")
)

PLANTED: dict[str, tuple[list[str | Plant], set[str]]] = {
    "no certificate": ([f"UPDATE certificates SET der = x'3000' WHERE id = {ONE}"], {"unreadable"}),
    "cut short": (
        [f"UPDATE certificates SET der = substr(der, 1, 200) WHERE id = {ONE}"],
        {"unreadable"},
    ),
    "one octet of it": (
        [
            (
                "UPDATE certificates"
                " SET der = CAST(substr(der, 1, length(der) - 1) || x'00' AS BLOB)"
                f" WHERE id = {ONE}"
            )
        ],
        {"fingerprint", "signature"},
    ),
    "another's certificate": (
        [
            (
                f"UPDATE certificates SET der = (SELECT der FROM certificates WHERE id = {TWO})"
                f" WHERE id = {ONE}"
            )
        ],
        {"serial", "fingerprint", "key", "subject", "sans", "subject_key", "duplicate", "names"},
    ),
    "serial": (
        [f"UPDATE certificates SET serial = x'{'07' * 20}' WHERE id = {ONE}"],
        {"serial"},
    ),
    "subject shown": (
        [f"UPDATE certificates SET subject = 'CN=nurse' WHERE id = {ONE}"],
        {"subject"},
    ),
    "subject": ([f"UPDATE certificates SET subject_der = x'3000' WHERE id = {ONE}"], {"subject"}),
    "sans shown": ([f"UPDATE certificates SET sans = '[]' WHERE id = {ONE}"], {"sans"}),
    "sans not even JSON": ([f"UPDATE certificates SET sans = '[' WHERE id = {ONE}"], {"sans"}),
    "sans": ([f"UPDATE certificates SET san_der = x'' WHERE id = {ONE}"], {"sans"}),
    "names a renewal looks for": (
        [f"UPDATE certificates SET subject_key = zeroblob(16) WHERE id = {ONE}"],
        {"subject_key"},
    ),
    "validity": (
        [f"UPDATE certificates SET not_after_us = not_after_us + 1 WHERE id = {ONE}"],
        {"validity"},
    ),
    "key": ([f"UPDATE certificates SET spki_sha256 = zeroblob(32) WHERE id = {ONE}"], {"key"}),
    "key shown": (
        [f"UPDATE certificates SET key_algorithm = 'RSA-8192' WHERE id = {ONE}"],
        {"key"},
    ),
    "fingerprint": (
        [f"UPDATE certificates SET fingerprint = zeroblob(32) WHERE id = {ONE}"],
        {"fingerprint"},
    ),
    "signed by somebody else": ([forged(ca=False)], {"signature"}),
    "a CA": ([forged(ca=True)], {"signature", "powers"}),
    "issuer": ([f"UPDATE certificates SET issuer_id = 'other' WHERE id = {ONE}"], {"issuer"}),
    "another CA on record": (["UPDATE ca SET fingerprint = zeroblob(32)"], {"issuer"}),
    "revoked in silence": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'superseded' WHERE id = {ONE}"
            )
        ],
        {"events"},
    ),
    "revocation undone": (
        [
            (
                "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
                f" revocation_reason = NULL WHERE id = {REVOKED}"
            )
        ],
        {"events"},
    ),
    "revocation half undone": (
        [f"UPDATE certificates SET status = 'valid' WHERE id = {REVOKED}"],
        {"status", "events"},
    ),
    "unknown reason": (
        [f"UPDATE certificates SET revocation_reason = 'whim' WHERE id = {REVOKED}"],
        {"status"},
    ),
    "revoked before issued": (
        [f"UPDATE certificates SET revoked_us = 1 WHERE id = {REVOKED}"],
        {"status"},
    ),
    "compromised key forgotten": (["DELETE FROM compromised_keys"], {"key"}),
    "issuance without event": ([f"DELETE FROM audit_events WHERE {events_of(ONE)}"], {"events"}),
    "two events of one issuance": (
        [COPY_EVENT.format(resource="resource_id", certificate=ONE)],
        {"events"},
    ),
    "event of no certificate": (
        [COPY_EVENT.format(resource="'ghost'", certificate=ONE)],
        {"missing"},
    ),
    "certificate gone": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {ONE}",
            f"DELETE FROM certificate_names WHERE certificate_id = {ONE}",
            f"DELETE FROM certificates WHERE id = {ONE}",
        ],
        {"missing"},
    ),
    "repetition of nothing": (
        [f"UPDATE repetitions SET certificate_id = 'ghost' WHERE certificate_id = {ONE}"],
        {"repetition"},
    ),
    "its names left behind": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {ONE}",
            f"DELETE FROM audit_events WHERE {events_of(ONE)}",
            f"DELETE FROM certificates WHERE id = {ONE}",
        ],
        {"names"},
    ),
    "a name forgotten": (
        [f"DELETE FROM certificate_names WHERE certificate_id = {ONE} AND kinds = 2"],
        {"names"},
    ),
    "a name of another kind": (
        [f"UPDATE certificate_names SET kinds = kinds + 1 WHERE certificate_id = {ONE}"],
        {"names"},
    ),
    "a name too many": (
        [f"INSERT INTO certificate_names VALUES (CAST('nurse' AS BLOB), {ONE}, 1)"],
        {"names"},
    ),
    "a name of nothing": (
        ["INSERT INTO certificate_names VALUES (CAST('nurse' AS BLOB), 'ghost', 1)"],
        {"names"},
    ),
    "released in silence": (
        [f"INSERT INTO released_holds VALUES ({ONE}, 1)"],
        {"events"},
    ),
    "a release forgotten": (["DELETE FROM released_holds"], {"events"}),
    "a release undone": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'certificateHold' WHERE id = {RELEASED}"
            )
        ],
        {"events"},
    ),
    "a release without event": (
        ["DELETE FROM audit_events WHERE action = 'certificate_released'"],
        {"events"},
    ),
    "revoked in bulk by nobody": (
        ["DELETE FROM audit_events WHERE action = 'est_bulk_revoke'"],
        {"events"},
    ),
    "imported, and revoked in bulk": (
        [
            COPY_EVENT.format(resource=IMPORTED, certificate=IN_BULK)
            + " AND action = 'certificate_revoked'",
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'superseded' WHERE id = {IMPORTED}"
            ),
        ],
        {"events"},
    ),
    "imported in silence": (
        ["DELETE FROM audit_events WHERE action = 'certificate_imported'"],
        {"events"},
    ),
    "imported into a profile": (
        [f"UPDATE certificates SET profile = 'open' WHERE id = {IMPORTED}"],
        {"source"},
    ),
    "of a foreign CA, and not imported": (
        [f"UPDATE certificates SET issuer_id = 'external:old' WHERE id = {ONE}"],
        {"source"},
    ),
    "imported, and its subject": (
        ["UPDATE certificates SET subject = 'CN=nurse' WHERE source = 'API'"],
        {"subject"},
    ),
    "outside its profile": (
        [
            (
                "INSERT INTO certificate_profiles VALUES ('strict', 1,"
                """ '{"allowed_ekus": ["serverAuth"]}', 0)"""
            ),
            f"UPDATE certificates SET certificate_profile = 'strict' WHERE id = {ONE}",
        ],
        {"profile"},
    ),
}


def forged_crl(connection: sqlite3.Connection) -> None:
    """What stands on the CRL, signed by another key."""
    (issuer,) = connection.execute(f"SELECT der FROM certificates WHERE id = {ONE}").fetchone()
    (number,) = connection.execute("SELECT number FROM crls").fetchone()
    moment = datetime.now(UTC)
    der = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_der_x509_certificate(issuer).issuer)
        .last_update(moment)
        .next_update(moment + timedelta(days=1))
        .add_extension(x509.CRLNumber(number), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    connection.execute(
        "UPDATE crls SET front = ?, back = x'', parts = 0, digest = ?",
        (der, hashlib.sha256(b"").digest()),
    )


PLANTED_IN_CRLS: dict[str, tuple[list[str | Plant], str]] = {
    "revoked, and not on it": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revocation_reason = 'superseded',"
                " revoked_us = (SELECT this_update_us - 6000000 FROM crls)"
                f" WHERE id = {ONE}"
            )
        ],
        "revoked, and not on CRL",
    ),
    "on it, and not revoked": (
        [
            (
                "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
                f" revocation_reason = NULL WHERE id = {REVOKED}"
            )
        ],
        "and it is not revoked",
    ),
    "on it, and nowhere else": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {IN_BULK}",
            f"DELETE FROM certificates WHERE id = {IN_BULK}",
        ],
        "and no such certificate is on record",
    ),
    "other octets": (
        ["UPDATE crl_parts SET octets = zeroblob(length(octets))"],
        "its octets are not those that were signed",
    ),
    "no octets": (["DELETE FROM crl_parts"], "its octets are not those that were signed"),
    "another number": (
        ["UPDATE crl_parts SET number = number + 100", "UPDATE crls SET number = number + 100"],
        "it says that it is number",
    ),
    "signed by somebody else": ([forged_crl], "it is not signed by its CA"),
    "no CRL at all": (
        [
            (
                "UPDATE crls SET front = x'3000', back = x'', parts = 0,"
                f" digest = x'{hashlib.sha256(b'').hexdigest()}'"
            )
        ],
        "it cannot be read",
    ),
}
