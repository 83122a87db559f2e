"""Audit events of what succeeded (records §5): who did it, and what it was done to."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from certctl.authority.commands import Command
from certctl.domain.audit import FAILED, AuditAction, AuditEvent, Outcome
from certctl.domain.errors import CommandRefused, Failure
from certctl.domain.kept_answer import Origin
from certctl.domain.order import Order

Details = Mapping[str, str | int | list[str]]


def device_name(order: Order) -> str:
    """The actor of what a device has asked for."""
    return f"est-client:{order.principal}"


def event_by(
    actor: str,
    action: AuditAction,
    *,
    now_us: int,
    resource_type: str,
    details: Details,
    resource_id: str = "",
    profile: str = "",
    tenant: str | None = None,
) -> AuditEvent:
    """Something done by ``actor``: a kind and a name with a colon between, or ``SYSTEM``."""
    return AuditEvent(
        time_us=now_us,
        actor=actor,
        actor_type=actor.partition(":")[0],
        action=action,
        outcome=Outcome.SUCCESS,
        profile=profile,
        resource_type=resource_type,
        resource_id=resource_id,
        details=details,
        tenant=tenant,
    )


def event_from(event: AuditEvent, origin: Origin) -> AuditEvent:
    """The same event with where the command came from."""
    return replace(
        event,
        source_address=origin.source_address,
        request_id=origin.request_id,
        tls_version=origin.tls_version,
    )


def refused_event(
    refused: CommandRefused, command: Command, origin: Origin, now_us: int
) -> AuditEvent:
    """A worker's command that the key with it does not cover."""
    actor = f"key:{refused.name}" if refused.name else f"api-client:{origin.source_address}"
    event = AuditEvent(
        time_us=now_us,
        actor=actor,
        actor_type=actor.partition(":")[0],
        action=AuditAction.API_REFUSED,
        outcome=Outcome.FAILURE,
        profile="",
        resource_type="command",
        resource_id=type(command).__name__,
        details=refused.details(),
    )
    return event_from(event, origin)


def failed_event(order: Order, failure: Failure, *, now_us: int, about: Details) -> AuditEvent:
    """An order that failed in the authority after it had been let through."""
    event = event_of_order(
        order,
        failure.action or FAILED.get(order.operation, AuditAction.SIMPLE_ENROLL_FAILED),
        now_us=now_us,
        resource_type="est",
        resource_id=order.operation.value,
        details={**failure.details(), **about},
    )
    return replace(event, outcome=Outcome.FAILURE)


def event_of_order(
    order: Order,
    action: AuditAction,
    *,
    now_us: int,
    resource_type: str,
    resource_id: str,
    details: Details,
) -> AuditEvent:
    """Something done for a device, with how and from where it asked."""
    return AuditEvent(
        time_us=now_us,
        actor=device_name(order),
        actor_type="est-client",
        action=action,
        outcome=Outcome.SUCCESS,
        profile=order.profile,
        resource_type=resource_type,
        resource_id=resource_id,
        source_address=order.source_address,
        request_id=order.request_id,
        auth_mode=order.auth_mode.value,
        client_certificate_subject=order.credential_subject,
        client_certificate_serial=order.credential_serial,
        tls_version=order.tls_version,
        details=details,
        tenant=order.tenant,
    )
