"""Settings of renewal, limit and device-state hook become what the gates work with."""

from __future__ import annotations

import pytest

from certctl.domain.clock import DAY_US
from certctl.domain.profiles import OnReenroll, ReenrollKey
from tests.unit.settings.rig import Load, Refuse, profile


def test_the_defaults_ask_for_nothing(load: Load) -> None:
    (entry,) = load(profile()).est.profiles
    made = entry.profile
    assert (made.reenroll_key, made.on_reenroll) == (ReenrollKey.ANY, OnReenroll.KEEP)
    assert (made.reenroll_grace_us, made.limit_24h) == (0, 0)
    assert entry.device_state_hook is None


def test_each_is_taken_over(load: Load) -> None:
    url = "https://hook.example/state?token=secret-8462"
    settings = load(
        profile(
            REENROLL_KEY="NEW",
            REENROLL_GRACE="7d",
            ON_REENROLL="revoke_old",
            RATE_LIMIT_PER_PRINCIPAL_24H="10000",
            DEVICE_STATE_HOOK=url,
        )
    )
    (entry,) = settings.est.profiles
    made = entry.profile
    assert (made.reenroll_key, made.on_reenroll) == (ReenrollKey.NEW, OnReenroll.REVOKE_OLD)
    assert (made.reenroll_grace_us, made.limit_24h) == (7 * DAY_US, 10_000)
    assert entry.device_state_hook == url
    assert "secret-8462" not in repr(settings)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("REENROLL_KEY", "old"),
        ("REENROLL_GRACE", "a week"),
        ("REENROLL_GRACE", "-1s"),
        ("ON_REENROLL", "revoke"),
        ("RATE_LIMIT_PER_PRINCIPAL_24H", "-1"),
        ("RATE_LIMIT_PER_PRINCIPAL_24H", "10001"),
        ("DEVICE_STATE_HOOK", "ftp://hook.example"),
        ("DEVICE_STATE_HOOK", "https://user:password@hook.example"),
    ],
)
def test_nonsense_is_refused(refuse: Refuse, suffix: str, text: str) -> None:
    (fault,) = refuse(profile(**{suffix: text}))
    assert fault.variable == f"CERTCTL_EST_PROFILE_CORP_{suffix}"
    assert "password" not in str(fault) or "user name or password" in str(fault)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://hook.example/", True),
        ("http://127.evil.example/", True),
        ("http://127.0.0.1:9000/", False),
        ("http://localhost/", False),
        ("http://[::1]/", False),
        ("https://hook.example/", False),
    ],
)
def test_a_hook_over_plain_http_is_warned_of_unless_on_this_host(
    load: Load,
    url: str,
    warned: bool,  # noqa: FBT001
) -> None:
    warnings = load(profile(DEVICE_STATE_HOOK=url)).warnings
    found = [each for each in warnings if each.variable.endswith("DEVICE_STATE_HOOK")]
    assert bool(found) is warned
