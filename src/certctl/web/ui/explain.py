"""``/explain``: a CSR judged by every rule; nothing is issued (operator §1)."""

from __future__ import annotations

from certctl.domain.errors import NotFound, RequestMalformed
from certctl.domain.explanation import Question
from certctl.domain.profiles import Operation
from certctl.web.answers import Answer
from certctl.web.api.services import ProfileFacts
from certctl.web.explained import as_json
from certctl.web.ui.page import Visit
from certctl.wire.unreadable import UNREADABLE, quiet

OPERATIONS = (Operation.SIMPLEENROLL.value, Operation.SIMPLEREENROLL.value)
FIELDS = ("profile", "operation", "csr", "user", "certificate", "source")


async def form(visit: Visit) -> Answer:
    return _page(visit, {name: visit.query.get(name, "") for name in FIELDS})


async def explain(visit: Visit) -> Answer:
    kept = {name: visit.form.get(name, "") for name in FIELDS}
    path_id = "" if kept["profile"] == "(legacy root)" else kept["profile"]
    chosen = [each.profile for each in _profiles(visit) if each.profile.path_id == path_id]
    if not chosen:
        raise NotFound(f"EST profile {path_id}")
    if kept["operation"] not in OPERATIONS:
        return _page(visit, kept, status=422, fault="Choose an operation.")
    if not kept["csr"].strip():
        return _page(visit, kept, status=422, fault="Paste a certificate request first.")
    try:
        chain = _chain(kept["certificate"])
    except UNREADABLE:
        fault = "The client certificate is not PEM: paste it with its BEGIN and END lines."
        return _page(visit, kept, status=422, fault=fault)
    question = Question(
        path_id=path_id,
        operation=Operation(kept["operation"]),
        body=kept["csr"].encode(),
        user=kept["user"] or None,
        chain=chain,
        source=kept["source"].strip(),
    )
    try:
        found = await visit.services.read(lambda records: visit.services.explain(question, records))
    except RequestMalformed as refused:
        return _page(visit, kept, status=422, fault=f"The request cannot be read: {refused.reason}")
    return _page(visit, kept, found=as_json(found, chosen[0]))


def _chain(text: str) -> tuple[bytes, ...]:
    """Raises what ``UNREADABLE`` lists."""
    if not text.strip():
        return ()
    from cryptography import x509  # noqa: PLC0415 - only for those who paste one
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    with quiet():
        found = x509.load_pem_x509_certificates(text.encode())
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def _profiles(visit: Visit) -> list[ProfileFacts]:
    visible = visit.ask.caller.visible
    return [
        each
        for each in visit.services.profiles
        if visible.covers(tenant=each.profile.tenant, profile=each.profile.path_id)
    ]


def _page(
    visit: Visit,
    kept: dict[str, str],
    *,
    status: int = 200,
    found: dict[str, object] | None = None,
    fault: str = "",
) -> Answer:
    return visit.page(
        "explain.html",
        status=status,
        kept=kept,
        found=found,
        fault=fault,
        operations=OPERATIONS,
        profiles=[each.profile.path_id for each in _profiles(visit)],
    )
