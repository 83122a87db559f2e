"""One enrollment, read as a road: each step takes the previous step's type."""

from __future__ import annotations

from msgspec import Struct

from certctl.domain.errors import Failure
from certctl.domain.order import Issued, Order
from certctl.domain.ports import DeviceQuestion
from certctl.domain.principal import Principal
from certctl.domain.profiles import AuthMode
from certctl.enroll.authenticate import authenticate
from certctl.enroll.authorize import authorize
from certctl.enroll.binding import Binding, check_binding
from certctl.enroll.ports import Ports
from certctl.enroll.request import EstRequest, read_csr
from certctl.obs.metrics.measured import Laps
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name


class Enrolled(Struct, frozen=True, kw_only=True):
    """An issued certificate and whether its connection must end (RFC 9266 §4.1)."""

    issued: Issued
    binding: Binding


async def enroll(request: EstRequest, ports: Ports) -> Enrolled:
    """RFC 7030 §4.2: one CSR becomes one certificate, or one ``Failure``.

    A failure after a verified binding ends the connection as success does.
    """
    lap = ports.laps()
    caller = authenticate(request, ports)
    lap(ports.metrics.authenticate)
    binding = Binding.NONE
    try:
        try:
            csr = read_csr(request.body)
            binding = check_binding(
                csr,
                request.tls,
                profile=request.profile,
                vouched_for=caller.registration_authority,
            )
            lap(ports.metrics.read)
            order = authorize(csr, caller, request, binding=binding, ports=ports)
            lap(ports.metrics.authorize)
            await _ask_device_state(order, ports, lap)
        except Failure:
            await settle_password(caller, request, ports)
            raise
        issued = await ports.authority.issue(order)
        lap(ports.metrics.issue)
    except Failure as failure:
        failure.caller = caller
        if binding.binds:
            failure.ends_connection = True
        raise
    return Enrolled(issued=issued, binding=binding)


async def _ask_device_state(order: Order, ports: Ports, lap: Laps) -> None:
    """Also for a request that was answered before: the device may have changed since."""
    hook = ports.device_states.get(order.profile)
    if hook is not None:
        await hook.require_good(_question(order))
        lap(ports.metrics.device_state)


async def settle_password(caller: Principal, request: EstRequest, ports: Ports) -> None:
    """A request with a right password that becomes no order: its source's count is cleared.

    The authority judges it before anything else is answered, or guesses sent all at once
    would learn from a 400 which of them was right.

    Raises:
        LockedOut: the source has to wait.
        StoreUnavailable: the authority is away.
    """
    if caller.auth_mode is AuthMode.BASIC:
        await ports.authority.judge_attempt(request.source, None)


def _question(order: Order) -> DeviceQuestion:
    sans = decode_general_names(order.san_der) if order.san_der else ()
    return DeviceQuestion(
        profile=order.profile,
        principal=order.principal,
        subject=decode_name(order.subject_der).text(),
        sans=tuple(map(str, sans)),
        source=order.source_address,
        request_id=order.request_id,
    )
