"""A server with one profile for each thing that can go wrong, and the ways to make it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import resource
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certctl.domain.approval import MAX_WAITING
from certctl.store.tables import requests
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device, name
from tests.harness.hook import HookService
from tests.harness.http import basic, tls_context
from tests.harness.outside import outside_ca
from tests.harness.raw import Answer, RawClient, new_source, post
from tests.harness.replacing import replace
from tests.harness.server import (
    clean_environment,
    configured_server,
    free_port,
    write_rules,
)
from tests.unit.trust import pki

PASSWORD = "refusal-password-0001"
PROXY = "127.200.7.5"
SHORT_CA_SECONDS = 40
LOCKOUT_FAILURES = 3
AWAY_SECONDS = 60.0

# Path ID → its settings beyond those that all have.
PROFILES: Mapping[str, Mapping[str, str]] = {
    "both": {},
    "other": {},
    "hard": {"MTLS_CRL_POLICY": "hard"},
    "bound": {"CHANNEL_BINDING_REQUIRED": "true"},
    "named": {"IDENTITY_BINDING": "cn"},
    "newkey": {"REENROLL_KEY": "new"},
    "samekey": {"REENROLL_KEY": "same"},
    "hooked": {},
    "limited": {"RATE_LIMIT_PER_PRINCIPAL_24H": "1"},
    "careful": {"PROFILE_ID": "careful"},
    "ruled": {"PROFILE_ID": "ruled"},
    "linted": {"PROFILE_ID": "linted"},
    "off": {"PROFILE_ID": "off"},
    "short": {"ISSUER_ID": "iss-short"},
    "outside": {"ISSUER_ID": "corp"},
    "idle": {"ISSUER_ID": "idle"},
}
STORED = "idle"
RULES: Mapping[str, Mapping[str, object]] = {
    "careful": {"requires_approval": True},
    "ruled": {"required_csr_attributes": ["serialNumber"]},
    "linted": {"lint": "block"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """An answer, and where the request that got it went."""

    answer: Answer
    profile: str


class RefusalWorld:
    """Not started yet; ``server`` is a context manager."""

    def __init__(self, directory: Path, hook: HookService) -> None:
        self.directory = directory
        self.hook = hook
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.root = self.make_ca("works root")
        self.revoked = self.make("stolen", issuer=self.root)
        self.hard_root = self.make_ca("hard root")
        self.old_port = free_port()
        self._numbers = itertools.count()
        self.outside = outside_ca(directory / "corp")
        self.server = configured_server(directory, self._settings())

    def _settings(self) -> dict[str, str]:
        rules = self.directory / "certificate-profiles"
        for label, each in RULES.items():
            write_rules(rules, each, label)
        day = timedelta(days=1)
        crl = partial(pki.make_crl, last_update=self.now - day, next_update=self.now + day)
        for label, content in {
            "works": self.root.pem + crl(self.root, self.revoked),
            "hard": self.hard_root.pem + crl(self.hard_root),
        }.items():
            (self.directory / f"{label}.pem").write_bytes(content)
        settings = {
            "WORKERS": "1",
            "EST_PROFILES": ",".join(PROFILES),
            "EST_LOCKOUT_FAILURES": str(LOCKOUT_FAILURES),
            "TRUSTED_PROXIES": f"{PROXY}/32",
            "TLS12_PORT": str(self.old_port),
            "CERTIFICATE_PROFILES_DIR": str(rules),
            "CONFIG_ENCRYPTION_KEY": "5a" * 32,
            "ISSUERS": "iss-local,iss-short,corp",
            "ISSUER_ISS_LOCAL_TYPE": "local",
            "ISSUER_ISS_SHORT_TYPE": "local",
            **self._short_issuer(),
            **self.outside.settings(),
        }
        for profile, more in PROFILES.items():
            bundle = "hard.pem" if profile == "hard" else "works.pem"
            given = {
                "ISSUER_ID": "iss-local",
                "ALLOWED_AUTH_MODES": "mtls,basic",
                "ENROLLMENT_PASSWORD": self.password(profile),
                "MTLS_ENABLED": "true",
                "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(self.directory / bundle),
                **more,
            }
            if profile == "hooked":
                given["DEVICE_STATE_HOOK"] = self.hook.url
            infix = f"EST_PROFILE_{profile.upper()}_"
            settings |= {f"{infix}{label}": value for label, value in given.items()}
        return settings

    def _short_issuer(self) -> dict[str, str]:
        """A CA that is good at the start and expires soon."""
        ends = self.now + timedelta(seconds=SHORT_CA_SECONDS)
        ca = self.make_ca("short-lived CA", not_after=ends)
        key = self.directory / "short.key"
        key.touch(mode=0o600)
        key.write_bytes(ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate = self.directory / "short.pem"
        certificate.write_bytes(ca.pem)
        return {
            "ISSUER_ISS_SHORT_CA_CERT_PATH": str(certificate),
            "ISSUER_ISS_SHORT_CA_KEY_PATH": str(key),
        }

    def make(self, common_name: str = "device", **settings: Any) -> pki.Held:
        """A certificate in the time of this machine's clock."""
        settings.setdefault("not_before", self.now - timedelta(days=1))
        settings.setdefault("not_after", self.now + timedelta(days=30))
        return pki.make(common_name, **settings)

    def make_ca(self, common_name: str, **settings: Any) -> pki.Held:
        usages = [(pki.usage(key_cert_sign=True), True)]
        return self.make(common_name, ca=True, extensions=usages, **settings)

    @staticmethod
    def password(profile: str) -> str:
        return f"{profile}-{PASSWORD}"

    def credentials(self, profile: str, password: str | None = None) -> str:
        given = password if password is not None else self.password(profile)
        return "Authorization: " + basic("device", given)["Authorization"]

    def device(self) -> Device:
        return Device(self.directory, f"device-{next(self._numbers)}")

    def issued(self, profile: str = "both", device: Device | None = None) -> Device:
        """A device with a certificate that this profile gave it."""
        device = device or self.device()
        path = path_of(profile)
        answer = device.enroll(self.server, path, password=self.password(profile))
        assert answer.status == 200, answer.text
        return device

    def showing(self, chain: Sequence[pki.Held]) -> ssl.SSLContext:
        stem = self.directory / f"shown-{next(self._numbers)}"
        certificates, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        certificates.write_bytes(b"".join(each.pem for each in chain))
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key.write_bytes(chain[0].key.private_bytes(*form))
        return tls_context(self.server.ca_file, certificate=certificates, key=key)

    def showing_device(self, device: Device) -> ssl.SSLContext:
        return tls_context(
            self.server.ca_file, certificate=device.certificate_file, key=device.key_file
        )

    def ask(
        self,
        profile: str,
        body: bytes | None = None,
        *lines: str,
        operation: str = "simpleenroll",
        route: str = "est",
        source: str | None = None,
        context: ssl.SSLContext | None = None,
        port: int | None = None,
    ) -> Told:
        """One POST; with the profile's password where neither lines nor context are given."""
        if context is None and not lines:
            lines = (self.credentials(profile),)
        body = self.device().body() if body is None else body
        source = source or new_source()
        with RawClient(self.server, source=source, context=context, port=port) as client:
            client.send(post(path_of(profile, operation, route), body, "Accept: */*", *lines))
            return Told(answer=client.answer(), profile=profile)

    def shown(self, *chain: pki.Held, profile: str = "both") -> Told:
        return self.ask(profile, context=self.showing(chain))

    def renewed(self, device: Device, profile: str, csr: x509.CertificateSigningRequest) -> Told:
        """``simplereenroll`` over the device's certificate."""
        return self.ask(
            profile,
            device.body(csr),
            operation="simplereenroll",
            context=self.showing_device(device),
        )

    def operate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.server.program, *arguments],
            env=clean_environment(self.server.environment),
            cwd=self.server.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def put_rules(self, label: str, rules: Mapping[str, object]) -> None:
        """Into the store, beside the server or before its first start."""
        (self.directory / "data").mkdir(mode=0o700, exist_ok=True)
        write_rules(self.directory / "to-put", rules, label)
        self.operate("profiles", "put", str(self.directory / "to-put" / f"{label}.toml"))

    def make_stored_issuer(self) -> None:
        """By a first start of the server, without the profile that names it."""
        names = [each for each in PROFILES if each != STORED]
        before = replace(
            self.server,
            environment={
                name: value
                for name, value in self.server.environment.items()
                if f"_PROFILE_{STORED.upper()}_" not in name
            }
            | {"CERTCTL_EST_PROFILES": ",".join(names)},
        )
        with before:
            api = ApiClient(before, first_key(before, "maker"))
            assert api.post("/issuers", {"id": STORED})["state"] == "enabled"

    # Faults from outside.

    def switched_off(self, profile: str) -> Told:
        """Its certificate profile has just been disabled; workers hear of it in a second."""
        self.put_rules("off", {"enabled": False})
        return self.until_away(profile)

    def disabled(self, profile: str) -> Told:
        """An operator has just switched its issuer off."""
        api = ApiClient(self.server, first_key(self.server, "switcher"))
        assert api.send("PATCH", f"/issuers/{STORED}", {"enabled": False}).status == 200
        return self.until_away(profile)

    def until_away(self, profile: str) -> Told:
        """Ask until nothing is issued any more."""
        deadline = time.monotonic() + AWAY_SECONDS
        while (told := self.ask(profile)).answer.status == 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return told

    def with_full_store(self, profile: str) -> Told:
        """The authority may not let any file grow."""
        (authority,) = self.server.processes()["authority"]
        kept = resource.prlimit(authority, resource.RLIMIT_FSIZE)
        resource.prlimit(authority, resource.RLIMIT_FSIZE, (4_096, kept[1]))
        try:
            return self.ask(profile)
        finally:
            resource.prlimit(authority, resource.RLIMIT_FSIZE, kept)

    def with_full_waiting_room(self, profile: str) -> Told:
        assert self.ask(profile).answer.status == 202
        engine = sqlalchemy.create_engine(f"sqlite:///{self.server.database}")
        with engine.begin() as database:
            row = dict(database.execute(sqlalchemy.select(requests)).mappings().first() or {})
            many = [
                row | {"id": f"zz{number:08}", "key": number.to_bytes(32), "status": "waiting"}
                for number in range(MAX_WAITING)
            ]
            database.execute(requests.insert(), many)
        engine.dispose()
        try:
            return self.ask(profile)
        finally:
            self._sql("DELETE FROM requests WHERE id LIKE 'zz%'")

    def with_damaged_record(self, profile: str) -> Told:
        """The record that this key is compared with cannot be read: a fault of ours."""
        device = self.issued(profile)
        self.damage(device)
        return self.ask(profile, device.body(device.csr(name("another name"))))

    def damage(self, device: Device) -> None:
        """Spoil the subject in the record of this device's certificate."""
        assert device.certificate is not None
        serial = f"{device.certificate.serial_number:x}"
        self._sql(
            "UPDATE certificates SET subject_der = x'3003020100' WHERE lower(hex(serial)) LIKE ?",
            f"%{serial}",
        )

    def _sql(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        path = self.server.database
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as database, database:
            return database.execute(statement, values).fetchall()


def path_of(profile: str, operation: str = "simpleenroll", route: str = "est") -> str:
    return f"/.well-known/{route}/{profile}/{operation}"
