"""One enrollment, read as a road: each step takes the previous step's type."""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.errors import Failure
from certctl.domain.order import Issued
from certctl.enroll.authenticate import authenticate
from certctl.enroll.authorize import authorize
from certctl.enroll.binding import Binding, check_binding
from certctl.enroll.ports import Ports
from certctl.enroll.request import EstRequest, read_csr


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An issued certificate and whether its connection must end (RFC 9266 §4.1)."""

    issued: Issued
    binding: Binding


async def enroll(request: EstRequest, ports: Ports) -> Enrolled:
    """RFC 7030 §4.2: one CSR becomes one certificate, or one ``Failure``.

    A failure after a verified binding ends the connection as success does.
    """
    caller = authenticate(request, ports)
    csr = read_csr(request.body)
    binding = check_binding(csr, request.tls, profile=request.profile)
    try:
        order = authorize(csr, caller, request, binding=binding, ports=ports)
        issued = await ports.authority.issue(order)
    except Failure as failure:
        if binding.binds:
            failure.ends_connection = True
        raise
    return Enrolled(issued=issued, binding=binding)
