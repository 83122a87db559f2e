"""EST paths, exactly (est §1): a table of raw path octets, nothing is decoded.

Only the spelled-out paths exist, each with and without one trailing slash; so ``%2f``,
``..``, doubled slashes and other case are simply not in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from certctl.domain.profiles import ENROLLING, EstProfile, Operation, Route

WELL_KNOWN = "/.well-known/"

_WITH_PROFILE = 4
"""Slashes in ``/.well-known/est/corp/cacerts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What one path leads to."""

    profile: EstProfile
    route: Route
    operation: Operation

    @property
    def methods(self) -> tuple[str, ...]:
        return ("POST",) if self.operation in ENROLLING else ("GET", "HEAD")


def build_routes(
    profiles: Iterable[EstProfile], root_profile: str | None
) -> Mapping[bytes, Endpoint]:
    """All paths of these profiles.

    The legacy profile (empty path ID) lives at the root and has no ``est-mtls`` sibling;
    ``root_profile`` names a profile that is served at the root as well.
    """
    table: dict[bytes, Endpoint] = {}
    for profile in profiles:
        bases = []
        if profile.path_id:
            bases.append((Route.STANDARD, f"{WELL_KNOWN}est/{profile.path_id}/"))
            if profile.mtls:
                bases.append((Route.MTLS, f"{WELL_KNOWN}est-mtls/{profile.path_id}/"))
        if profile.path_id in ("", root_profile):
            bases.append((Route.STANDARD, f"{WELL_KNOWN}est/"))
        for route, base in bases:
            for operation in Operation:
                endpoint = Endpoint(profile=profile, route=route, operation=operation)
                path = (base + operation.value).encode("ascii")
                table[path] = table[path + b"/"] = endpoint
    return table


def route_of(endpoint: Endpoint, raw_path: bytes) -> str:
    """The template of a path that is in the table."""
    middle = "/{profile}/" if raw_path.rstrip(b"/").count(b"/") == _WITH_PROFILE else "/"
    return f"{WELL_KNOWN}{endpoint.route.value}{middle}{endpoint.operation.value}"
