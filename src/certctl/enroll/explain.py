"""The worker's gates on a request that is not served: each rule is noted, none ends it.

The same functions as in ``enroll.pipeline``, in the same order. What only a connection or
the operator's hook can tell is not judged here, and says so.
"""

from __future__ import annotations

from msgspec.structs import replace

from certctl.domain.csr import Csr
from certctl.domain.keys import describe_key
from certctl.domain.order import Order
from certctl.domain.plain_text import shown
from certctl.domain.principal import Principal
from certctl.domain.profiles import AuthMode
from certctl.domain.rules import Collector, Rule, Verdict
from certctl.enroll.authenticate import authenticate
from certctl.enroll.authorize import authorize
from certctl.enroll.binding import Binding, check_binding, claimed_connection
from certctl.enroll.ports import JudgingPorts
from certctl.enroll.request import EstRequest, read_csr
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name

UNKNOWN = Principal(name="unknown", key="unknown", auth_mode=AuthMode.ANONYMOUS)
"""The caller of a request that is explained without a credential."""


def explain_request(
    request: EstRequest,
    ports: JudgingPorts,
    judge: Collector,
    *,
    credential_given: bool,
    has_hook: bool,
) -> Order | None:
    """Judge everything up to the order, which is for explaining only and never sent.

    ``has_hook``: the profile asks a device-state hook. None: no order can be made of it.
    """
    caller = UNKNOWN
    if credential_given or request.profile.anonymous:
        with judge(Rule.AUTHENTICATION):
            caller = authenticate(request, ports)
    else:
        judge.not_judged(Rule.AUTHENTICATION, "no credential was given to judge")
    csr: Csr | None = None
    with judge(Rule.BODY):
        csr = read_csr(request.body, judge)
    if csr is None:
        return None
    request = replace(request, tls=claimed_connection(csr, request.tls))
    binding = Binding.NONE
    with judge(Rule.CHANNEL_BINDING):
        binding = check_binding(
            csr,
            request.tls,
            profile=request.profile,
            vouched_for=caller.registration_authority,
        )
    if binding.binds:
        judge.not_judged(
            Rule.CHANNEL_BINDING, "the CSR is bound to a connection, and only that one can tell"
        )
    order: Order | None = None
    with judge(Rule.CERTIFICATE_PROFILE):
        order = authorize(csr, caller, request, binding=binding, ports=ports, judge=judge)
    if order is not None:
        _note_what_came(csr, caller, order, judge)
    if has_hook:
        judge.not_judged(
            Rule.DEVICE_STATE, "DEVICE_STATE_HOOK is asked only when a device asks for real"
        )
    else:
        judge.passed(Rule.DEVICE_STATE, "the profile has no hook")
    return order


def _note_what_came(csr: Csr, caller: Principal, order: Order, judge: Collector) -> None:
    """Beside the rules that passed: what they were judged on."""
    judge.passed(Rule.AUTHENTICATION, f"{caller.auth_mode.value}: {shown(caller.name)}")
    judge.passed(Rule.CERTIFICATE_PROFILE, order.certificate_profile)
    judge.passed(Rule.KEY, str(describe_key(csr.public_key)))
    judge.passed(Rule.EXTENSIONS, "asked for usages: " + (", ".join(csr.ekus) or "none"))
    if judge.verdict(Rule.READABLE_NAMES) is Verdict.PASSED:
        subject = decode_name(order.subject_der)
        sans = decode_general_names(order.san_der) if order.san_der else ()
        judge.passed(Rule.SUBJECT, shown(subject.text()) or "empty")
        judge.passed(Rule.SAN, shown(", ".join(map(str, sans))) or "none")
