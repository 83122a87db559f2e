"""A server with every gate on: what a careful operator would run.

Channel binding required, a certificate profile with patterns for subject and SANs,
a limit per principal, own certificates only, all judged with each request.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.configured import new_password, start_configured
from bench.server import Certctl

RULES = {
    "allowed_key_algorithms": [{"algorithm": "ECDSA", "min_size": 256}],
    "required_subject_patterns": {"CN": r"device-[0-9]{7}\.bench\.example"},
    "required_san_patterns": [r"dns:device-[0-9]{7}\.bench\.example"],
    "max_sans": 1,
    "name_constraints": {"permitted": ["dns:bench.example"]},
}


def start_strict(command: Path, directory: Path, *, workers: int) -> Certctl:
    """The server on a free port, its store in the directory; returns when it serves."""
    directory.mkdir(parents=True)
    return start_configured(command, directory, _variables(directory, workers=workers))


def _variables(directory: Path, *, workers: int) -> dict[str, str]:
    rules = directory / "certificate-profiles"
    rules.mkdir()
    lines = [f"{field} = {_toml(value)}\n" for field, value in RULES.items()]
    (rules / "strict.toml").write_text("".join(lines))
    password = new_password(directory)
    profile = "EST_PROFILE_DEMO_"
    return {
        "WORKERS": str(workers),
        "CERTIFICATE_PROFILES_DIR": str(rules),
        "EST_ENABLED": "true",
        "EST_REQUIRE_AUTH": "true",
        "EST_PROFILES": "demo",
        f"{profile}ISSUER_ID": "iss-local",
        f"{profile}PROFILE_ID": "strict",
        f"{profile}ALLOWED_AUTH_MODES": "basic,mtls",
        f"{profile}MTLS_OWN_ONLY": "true",
        f"{profile}ENROLLMENT_PASSWORD_FILE": str(password),
        f"{profile}CHANNEL_BINDING_REQUIRED": "true",
        f"{profile}RATE_LIMIT_PER_PRINCIPAL_24H": "100",
        f"{profile}IDENTITY_BINDING": "subject",
    }


def _toml(value: object) -> str:
    """JSON of plain values is TOML as well, tables aside."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
