"""Secrets: planted ones never show, files of secrets are read or refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from certctl.settings import (
    Secret,
    SecretSource,
    SecretUnreadable,
    SettingsRefused,
    render_findings,
)
from certctl.settings.secret import MAX_SECRET_OCTETS
from tests.unit.settings.rig import Load, Refuse, profile

PLANTED = "pl4nted-S3cret-value"
PASSWORD = "EST_PROFILE_CORP_ENROLLMENT_PASSWORD"
PASSPHRASE = "ISSUER_ISS_LOCAL_CA_KEY_PASSPHRASE"


@pytest.mark.parametrize(
    "variables",
    [
        profile(ENROLLMENT_PASSWORD=f"{PLANTED}\x07"),
        profile(ENROLLMENT_PASSWORD=PLANTED, ENROLLMENT_PASSWORD_FILE="/missing"),
        profile(ENROLLMENT_PASSWORD="", ENROLLMENT_PASSWORD_FILE=PLANTED),
        profile(ENROLMENT_PASSWORD=PLANTED),
        profile() | {"EST_PROFILE_IOT_ENROLLMENT_PASSWORD": PLANTED},
        {f"{PASSPHRASE}_FILE": PLANTED},
        {PASSPHRASE: f"{PLANTED}\x07"},
        {PASSPHRASE: PLANTED, f"{PASSPHRASE}_FILE": PLANTED},
        {"API_KEYS_NAMED": PLANTED},
        {"API_KEYS_NAMED": f"ops:{PLANTED}:root"},
        {"API_KEYS_NAMED": f"ops:{PLANTED}\x07:admin"},
        {"AUTH_SECRET": f"{PLANTED}\x07"},
        {"DATABASE_URL": f"postgresql://u:{PLANTED}@db/"},
        {"DATABASE_URL": f"postgresql://u:{PLANTED}/certctl"},
        {"DATABASE_URL": f"postgresql://u:{PLANTED}#x@db/certctl"},
        {"DATABASE_READ_URL": f"postgresql://u:{PLANTED}@db/certctl"},
        {"DATABASE_READ_URL": f"sqlite:///{PLANTED}"},
        {"DATABASE_URL": f"mysql://u:{PLANTED}@db/certctl"},
        {"DATABASE_URL_FILE": PLANTED},
        {"CONFIG_ENCRYPTION_KEY": PLANTED},
        {"WEBHOOK_SECRET": f"{PLANTED}\x07"},
        {"WEBHOOK_SECRET_FILE": PLANTED, "WEBHOOK_SECRET": "x"},
        {"WEBHOOKS": "ops", "WEBHOOK_OPS_URL": f"https://hooks.example/{PLANTED}"},
        {"WEBHOOKS": "ops", "WEBHOOK_OPS_SECRET": PLANTED},
        {"WEBHOOK_URLS": f"https://hooks.example/{PLANTED}"},
        {"WEBHOOK_URLS": f"ftp://hooks.example/{PLANTED}"},
        {"SLACK_WEBHOOK_URL": f"http://hooks.slack.example/{PLANTED}"},
        {"SMTP_PASSWORD": PLANTED},
        {"VAULT_TOKEN": PLANTED},
        {"STEPCA_PROVISIONER_PASSWORD": PLANTED},
        {"PUBLIC_URL": f"https://user:{PLANTED}@est.example"},
        profile(DEVICE_STATE_HOOK=f"ftp://hook.example/?token={PLANTED}"),
        profile(FULLCMC_UPSTREAM=f"https://user:{PLANTED}@upstream.example"),
    ],
)
def test_a_planted_secret_never_shows_in_a_refusal(load: Load, variables: dict[str, str]) -> None:
    with pytest.raises(SettingsRefused) as caught:
        load(variables)
    refused = caught.value
    told = f"{refused!r} {refused} {refused.findings!r} {render_findings(refused.findings)}"
    assert told.count("CERTCTL_") >= 2
    assert PLANTED not in told
    assert PLANTED not in f"{refused.__cause__!r} {refused.__context__!r}"


@pytest.mark.parametrize(
    "line", [f"CERTCTL_{PASSWORD} {PLANTED}", f"PASSWORD={PLANTED}", f"CERTCTL_A='{PLANTED}"]
)
def test_a_planted_secret_never_shows_from_a_broken_file(refuse: Refuse, line: str) -> None:
    faults = refuse(file=line)
    assert PLANTED not in f"{faults!r}{render_findings(faults)}"


def test_a_planted_secret_never_shows_in_good_settings(load: Load) -> None:
    settings = load(
        profile(ENROLLMENT_PASSWORD=PLANTED)
        | {"EST_PROFILES": "corp,iot", "EST_PROFILE_IOT_ISSUER_ID": "iss-local"}
        | {"EST_PROFILE_IOT_ENROLLMENT_PASSWORD": PLANTED, PASSPHRASE: PLANTED}
        | {"DATABASE_URL": f"postgresql://u:{PLANTED}@db/certctl"},
    )
    password = settings.est.profiles[0].enrollment_password
    source = settings.issuers[0].ca_key_passphrase
    assert password is not None
    assert source is not None
    assert (password.reveal(), source.read().reveal()) == (PLANTED, PLANTED)
    assert len(settings.warnings) >= 2
    told = f"{settings!r} {settings} {password} {password!r}"
    assert PLANTED not in f"{told} {render_findings(settings.warnings)}"


def test_a_value_cannot_drive_the_terminal(refuse: Refuse) -> None:
    (fault,) = refuse({"LOG_LEVEL": "\x1b[2J\u202e" + "x" * 400})
    told = render_findings([fault])
    assert "\\x1b[2J\\u202exxx" in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "x" * 200 not in told


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"", "is empty"),
        (b"\r\n\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * (MAX_SECRET_OCTETS + 1), f"is longer than {MAX_SECRET_OCTETS} octets"),
        (None, "No such file or directory"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_refused(
    refuse: Refuse, tmp_path: Path, octets: bytes | None, problem: str
) -> None:
    path = tmp_path / "password"
    if octets is not None:
        path.write_bytes(octets)
    (fault,) = refuse(profile(ENROLLMENT_PASSWORD="", ENROLLMENT_PASSWORD_FILE=str(path)))
    assert fault.variable == f"CERTCTL_{PASSWORD}_FILE"
    assert fault.problem == f'profile "corp": its file cannot be used: {problem}'
    assert fault.came == f'"{path}"'
    assert f"CERTCTL_{PASSWORD}" in fault.remedy


def test_a_path_with_nul_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="is not a path"):
        SecretSource(path=tmp_path / "a\0b").read()


def test_control_characters_inside_a_password_file_are_refused(
    refuse: Refuse, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("two\nlines-of-it\n")
    (fault,) = refuse(profile(ENROLLMENT_PASSWORD="", ENROLLMENT_PASSWORD_FILE="./password"))
    assert fault.problem == 'profile "corp": control characters are in it'


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_line_end_of_a_secret_file_is_no_part_of_it(
    load: Load, tmp_path: Path, end: bytes
) -> None:
    (tmp_path / "password").write_bytes(b" spaces and \xc3\xa4 " + end)
    settings = load(profile(ENROLLMENT_PASSWORD="", ENROLLMENT_PASSWORD_FILE="password"))
    password = settings.est.profiles[0].enrollment_password
    assert password == Secret(" spaces and ä ")


def test_the_passphrase_of_a_ca_key_is_read_only_on_demand(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("first\n")
    source = load({f"{PASSPHRASE}_FILE": "passphrase"}).issuers[0].ca_key_passphrase
    assert source == SecretSource(path=path)
    assert b"first" not in pickle.dumps(source)
    path.write_text("second\n")
    assert source is not None
    assert source.read() == Secret("second")
    path.unlink()
    with pytest.raises(SecretUnreadable, match="No such file"):
        source.read()


@pytest.mark.parametrize("make", [None, b"", "directory"])
def test_a_missing_passphrase_file_is_refused_without_reading_it(
    refuse: Refuse, load: Load, tmp_path: Path, make: bytes | str | None
) -> None:
    path = tmp_path / "passphrase"
    if isinstance(make, bytes):
        path.write_bytes(make)
    elif make:
        path.mkdir()
    (fault,) = refuse({f"{PASSPHRASE}_FILE": str(path)})
    assert fault.variable == f"CERTCTL_{PASSPHRASE}_FILE"
    assert load({f"{PASSPHRASE}_FILE": str(path)}, check_files=False).issuers


def test_a_named_pipe_is_no_secret_to_wait_for(refuse: Refuse, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (fault,) = refuse({f"{PASSPHRASE}_FILE": "pipe"})
    assert "not a regular file" in fault.problem


def test_a_secret_compares_and_nothing_else() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert (f"{Secret('a')}", repr(Secret("a"))) == ("***", "***")
    assert len(Secret("abc")) == 3
    with pytest.raises(TypeError):
        hash(Secret("a"))
    with pytest.raises(SecretUnreadable):
        SecretSource().read()
