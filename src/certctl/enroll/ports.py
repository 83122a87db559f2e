"""What the enrollment gates are given at start; nothing else is reachable from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from certctl.domain.clock import Clock
from certctl.domain.lockout import LockoutRule
from certctl.domain.policy import CertificateProfile
from certctl.domain.ports import (
    Authority,
    ClientTrust,
    DeviceState,
    Records,
    RegistrationAuthorities,
)
from certctl.enroll.passwords import PasswordDigest
from certctl.obs.metrics.measured import Laps, WorkerMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingPorts:
    """What judges a request, by EST profile (``path_id``). Nothing here can issue or write."""

    records: Records
    trust: Mapping[str, ClientTrust]
    passwords: Mapping[str, PasswordDigest]
    certificate_profiles: Mapping[str, CertificateProfile]
    clock: Clock
    registration_authorities: Mapping[str, RegistrationAuthorities] = field(default_factory=dict)
    lockout: LockoutRule = field(default_factory=LockoutRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports(JudgingPorts):
    """What serves a request; ``device_states`` has only the profiles with a hook.

    ``laps`` makes the watch for its steps.
    """

    authority: Authority
    device_states: Mapping[str, DeviceState] = field(default_factory=dict)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics.unshared)
    laps: Callable[[], Laps] = Laps
