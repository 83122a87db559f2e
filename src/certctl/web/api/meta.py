"""What this server is, and what a key is: ``/version``, ``/auth/info``, ``/auth/check``."""

from __future__ import annotations

from pydantic import BaseModel

from certctl.domain.api_keys import Role
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Moment, moment_or_none
from certctl.web.api.services import Api, Ask


class Version(BaseModel):
    version: str
    api: str = "v1"


class AuthInfo(BaseModel):
    """``auth_type`` is ``api-key`` or ``none``."""

    auth_type: str
    required: bool


class AuthCheck(BaseModel):
    """The key that was sent. ``user`` and ``admin`` are as in the original."""

    status: str = "authenticated"
    user: str
    admin: bool
    role: Role
    tenant: str | None
    profiles: list[str]
    expires: Moment | None


async def version(api: Api) -> Version:
    """Which version of certctl answers."""
    return Version(version=api.version)


async def auth_info(api: Api) -> AuthInfo:
    """How callers authenticate; nothing about any key."""
    return AuthInfo(auth_type="none" if api.open else "api-key", required=not api.open)


async def auth_check(ask: Ask) -> AuthCheck:
    """Whose key was sent and what it may do."""
    holder = ask.caller.holder
    return AuthCheck(
        user=holder.name,
        admin=holder.role is Role.ADMIN,
        role=holder.role,
        tenant=holder.visible.tenant,
        profiles=list(holder.visible.profiles),
        expires=moment_or_none(holder.expires_us),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/version",
        handler=version,
        summary="Version of the server",
        role=None,
        answer=Version,
        tag="server",
    ),
    Endpoint(
        method="GET",
        path="/auth/info",
        handler=auth_info,
        summary="How to authenticate",
        role=None,
        answer=AuthInfo,
        tag="server",
    ),
    Endpoint(
        method="GET",
        path="/auth/check",
        handler=auth_check,
        summary="What this key may do",
        role=Role.VIEWER,
        answer=AuthCheck,
        tag="server",
    ),
)
