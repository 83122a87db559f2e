"""An issuer of type script: what it needs, what it must not have, and its programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.rig import Files, Load, Refuse

PREFIX = "ISSUER_CORP_"


def program(directory: Path, mode: int = 0o755, name: str = "sign") -> str:
    path = directory / "programs" / name
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


@pytest.fixture
def script(files: Files, tmp_path: Path) -> dict[str, str]:
    return {
        "ISSUERS": "iss-local,corp",
        f"{PREFIX}TYPE": "script",
        f"{PREFIX}CA_CERT_PATH": files.write("ca.pem", files.certificate_pem()),
        f"{PREFIX}SIGN": program(tmp_path),
    }


def test_it_becomes_an_issuer_with_its_programs(
    load: Load, script: dict[str, str], tmp_path: Path
) -> None:
    more = {
        f"{PREFIX}REVOKE": program(tmp_path, name="revoke"),
        f"{PREFIX}TIMEOUT": "45s",
        f"{PREFIX}VALIDITY": "7d",
    }
    local, corp = load(script | more).issuers
    assert local.is_local
    assert not corp.is_local
    assert corp.script is not None
    assert (corp.script.sign.name, corp.script.find) == ("sign", None)
    assert corp.script.revoke == tmp_path / "programs" / "revoke"
    assert (corp.script.time_limit_s, corp.validity_s) == (45, 7 * 86_400)


def test_a_relative_program_is_beside_the_settings(load: Load, script: dict[str, str]) -> None:
    corp = load(script | {f"{PREFIX}SIGN": "programs/sign"}).issuers[1]
    assert corp.script is not None
    assert corp.script.sign.is_absolute()


@pytest.mark.parametrize("missing", ["SIGN", "CA_CERT_PATH"])
def test_what_it_needs_is_missed(refuse: Refuse, script: dict[str, str], missing: str) -> None:
    del script[PREFIX + missing]
    [fault] = refuse(script)
    assert fault.variable == f"CERTCTL_{PREFIX}{missing}"
    assert "cannot do without" in fault.problem


@pytest.mark.parametrize(
    ("name", "value"),
    [("CA_KEY_PATH", "ca.key"), ("CA_KEY_TYPE", "P-384"), ("CA_KEY_PASSPHRASE", "x")],
)
def test_a_key_would_be_idle(refuse: Refuse, script: dict[str, str], name: str, value: str) -> None:
    [fault] = refuse(script | {PREFIX + name: value})
    assert fault.variable == f"CERTCTL_{PREFIX}{name}"
    assert "a local CA's" in fault.problem


@pytest.mark.parametrize("name", ["SIGN", "FIND", "REVOKE"])
def test_a_local_ca_runs_no_programs(refuse: Refuse, name: str, tmp_path: Path) -> None:
    [fault] = refuse({f"ISSUER_ISS_LOCAL_{name}": program(tmp_path)})
    assert "a script issuer's" in fault.problem


def test_without_a_local_ca_the_listener_needs_a_certificate(
    refuse: Refuse, script: dict[str, str]
) -> None:
    [fault] = refuse(script | {"ISSUERS": "corp"})
    assert fault.variable == "CERTCTL_SERVER_TLS_CERT_PATH"


@pytest.mark.parametrize("name", ["SIGN", "FIND", "REVOKE"])
@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        (0o644, "not executable"),
        (0o757, "others than its owner can change it"),
        (0o775, "others than its owner can change it"),
    ],
)
def test_a_program_that_others_can_change_is_refused(
    refuse: Refuse, script: dict[str, str], tmp_path: Path, name: str, mode: int, problem: str
) -> None:
    [fault] = refuse(script | {PREFIX + name: program(tmp_path, mode, name="bad")})
    assert fault.variable == f"CERTCTL_{PREFIX}{name}"
    assert problem in fault.problem


def test_a_program_that_others_can_replace_is_refused(
    refuse: Refuse, script: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "programs").chmod(0o777)
    [fault] = refuse(script)
    assert "write to its folder" in fault.problem


def test_a_link_is_judged_by_what_it_leads_to(
    refuse: Refuse, load: Load, script: dict[str, str], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(program(tmp_path))
    assert load(script | {f"{PREFIX}SIGN": str(link)})
    program(tmp_path, 0o777)
    assert refuse(script | {f"{PREFIX}SIGN": str(link)})


@pytest.mark.parametrize("path", ["absent", ".", "/dev/null"])
def test_what_is_no_program_is_refused(refuse: Refuse, script: dict[str, str], path: str) -> None:
    [fault] = refuse(script | {f"{PREFIX}SIGN": path})
    assert "the program cannot be used" in fault.problem


@pytest.mark.parametrize("value", ["0s", "11m", "soon"])
def test_a_time_limit_out_of_range_is_refused(
    refuse: Refuse, script: dict[str, str], value: str
) -> None:
    assert refuse(script | {f"{PREFIX}TIMEOUT": value})
