"""Who may use the management API, by the settings."""

from __future__ import annotations

import pytest

from certctl.domain.api_keys import Role
from tests.unit.settings.rig import Load, Refuse


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_keys_on_loopback(load: Load, host: str) -> None:
    assert load({"AUTH_TYPE": "none", "SERVER_HOST": host}).server.api.open


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "ca.example"])
def test_without_keys_it_is_refused_anywhere_else(refuse: Refuse, host: str) -> None:
    (fault,) = refuse({"AUTH_TYPE": "none", "SERVER_HOST": host})
    assert fault.variable == "CERTCTL_AUTH_TYPE"
    assert "loopback" in fault.problem


def test_keys_of_the_settings_have_their_roles(load: Load) -> None:
    api = load({"API_KEYS_NAMED": "ops:one,root:two:admin", "AUTH_SECRET": "three"}).server.api
    assert not api.open
    assert [(key.name, key.role, key.secret.reveal()) for key in api.fixed_keys] == [
        ("ops", Role.OPERATOR, "one"),
        ("root", Role.ADMIN, "two"),
        ("unnamed", Role.OPERATOR, "three"),
    ]
    assert "two" not in repr(api)


def test_the_rate_limit_can_be_changed_and_switched_off(load: Load) -> None:
    api = load({"RATE_LIMIT_RPS": "7", "RATE_LIMIT_BURST": "9"}).server.api
    assert (api.rate, api.burst) == (7, 9)
    assert load({"RATE_LIMIT_ENABLED": "off"}).server.api.rate == 0
