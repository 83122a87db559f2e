"""A server with profiles that require, take and ignore channel bindings, on both listeners."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from OpenSSL import SSL

from tests.harness.bound_client import NO_EXTENDED_MASTER_SECRET, Way
from tests.harness.http import basic
from tests.harness.pki import ForeignCA
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "a-password-of-enough-letters"
RIGHT = f"Authorization: {basic('device', PASSWORD)['Authorization']}"
# ``demo`` takes a binding where one comes, ``strict`` requires one, ``deaf`` reads no
# challengePassword.
PROFILES = ("demo", "strict", "deaf")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The server, its second listener's port, and the CA of the factory it trusts."""

    server: RunningServer
    old_port: int
    factory: ForeignCA

    def ways(self) -> dict[str, Way]:
        """Each kind of connection there is."""
        return {
            "main": Way(),
            "old, 1.3": Way(port=self.old_port),
            "old, 1.2": Way(port=self.old_port, newest=SSL.TLS1_2_VERSION),
            "old, no EMS": Way(
                port=self.old_port,
                newest=SSL.TLS1_2_VERSION,
                options=NO_EXTENDED_MASTER_SECRET,
            ),
        }


def path(profile: str, operation: str = "simpleenroll") -> str:
    return f"/.well-known/est/{profile}/{operation}"


def bound_server(directory: Path) -> Bound:
    """Not started yet."""
    factory = ForeignCA("Factory")
    bundle = factory.bundle(directory / "factory.pem")
    old_port = free_port()
    settings = {"EST_PROFILES": ",".join(PROFILES), "TLS12_PORT": str(old_port)}
    for profile in PROFILES:
        settings |= {
            f"EST_PROFILE_{profile.upper()}_{name}": value
            for name, value in {
                "ISSUER_ID": "iss-local",
                "ALLOWED_AUTH_MODES": "basic,mtls",
                "ENROLLMENT_PASSWORD": PASSWORD,
                "MTLS_ENABLED": "true",
                "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
            }.items()
        }
    settings["EST_PROFILE_STRICT_CHANNEL_BINDING_REQUIRED"] = "true"
    settings["EST_PROFILE_DEAF_CHALLENGE_PASSWORD"] = "ignore"
    return Bound(server=configured_server(directory, settings), old_port=old_port, factory=factory)
