"""The tools of operators: what the management API shows, and the doctor."""

from __future__ import annotations

from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from certctl.mcp.arguments import Activity, Doctor, Explain, Nothing
from certctl.mcp.backend import Backend, ToolFailure
from certctl.mcp.est_tools import read_csr
from certctl.mcp.results import EstProfiles, Examined, Explained, RecentActivity, Result
from certctl.mcp.tool import Tool
from certctl.wire.unreadable import UNREADABLE

Shape = TypeVar("Shape", bound=Result)


async def list_profiles(backend: Backend, _asked: Nothing) -> EstProfiles:
    return _as(EstProfiles, await backend.management("GET", "/admin/est/profiles"))


async def explain(backend: Backend, asked: Explain) -> Explained:
    body = {
        "profile": asked.profile,
        "csr": await _csr(backend, asked.csr),
        "operation": asked.operation,
        "user": asked.user,
        "certificate": await _chain(backend, asked.cert) if asked.cert is not None else None,
        "source": asked.source,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return _as(Explained, await backend.management("POST", "/est/explain", body=given))


async def doctor(backend: Backend, asked: Doctor) -> Examined:
    return _as(Examined, await backend.doctor(asked.url, asked.profile))


async def recent_activity(backend: Backend, asked: Activity) -> RecentActivity:
    page = await backend.management(
        "GET",
        "/audit",
        query={
            "action": asked.action,
            "profile": asked.profile,
            "outcome": asked.outcome,
            "source": asked.source,
            "text": asked.text,
            "per_page": asked.limit,
        },
    )
    try:
        events = [_event(each) for each in page["data"]]
        return _as(RecentActivity, {"events": events, "total": page.get("total")})
    except (KeyError, TypeError, AttributeError) as err:
        raise _strange() from err


def _event(event: dict[str, Any]) -> dict[str, Any]:
    client = event["client_certificate"]
    resource = event["resource"]
    return {
        **event,
        "resource": f"{resource['type']} {resource['id']}".strip(),
        "client_certificate_subject": client["subject"],
        "client_certificate_serial": client["serial"],
    }


async def _csr(backend: Backend, text: str) -> str:
    """PEM as it was given, so that the server judges it as it is; or the CSR of a file."""
    if "-----BEGIN" in text:
        return text
    csr = x509.load_der_x509_csr(await read_csr(backend, text))
    return csr.public_bytes(Encoding.PEM).decode()


async def _chain(backend: Backend, text: str) -> str:
    """PEM as it was given, or the certificates of a file and nothing else of it: a private
    key may well stand beside them.
    """
    if "-----BEGIN" in text:
        return text
    data = await backend.file(text.strip())
    try:
        found = x509.load_pem_x509_certificates(data)
    except UNREADABLE as err:
        raise ToolFailure(
            "certificate_unreadable",
            "The file holds no certificate in PEM.",
            remedy="Give PEM, or the path of a file in PEM.",
        ) from err
    return b"".join(each.public_bytes(Encoding.PEM) for each in found).decode()


def _as(shape: type[Shape], answer: Any) -> Shape:
    try:
        return shape.model_validate(answer)
    except ValidationError as err:
        raise _strange() from err


def _strange() -> ToolFailure:
    return ToolFailure(
        "bad_answer",
        "The server's answer is not what this tool knows.",
        remedy="Is it a certctl server of this version?",
    )


_PROFILES = (
    "Every EST profile with its authentication modes, trust anchors and their expiry, findings"
    " and counters."
)

TOOLS = (
    Tool(
        name="est_list_profiles",
        title="EST profiles",
        description=f"{_PROFILES} Needs an admin key.",
        arguments=Nothing,
        result=EstProfiles,
        run=list_profiles,
        role="admin",
    ),
    Tool(
        name="est_admin_stats",
        title="EST counters",
        description=f"The same as est_list_profiles. {_PROFILES} Needs an admin key.",
        arguments=Nothing,
        result=EstProfiles,
        run=list_profiles,
        role="admin",
    ),
    Tool(
        name="est_explain",
        title="Explain a request",
        description="What would become of a CSR, rule by rule, with the remedy for each rule"
        " that fails. Issues nothing and leaves nothing on record. Needs an operator key.",
        arguments=Explain,
        result=Explained,
        run=explain,
        role="operator",
        here="`csr` and `cert` are PEM.",
    ),
    Tool(
        name="est_doctor",
        title="Examine an EST server",
        description="Examine an EST server from outside: name, TLS, certificate, answers, clock,"
        " CRLs; each finding with its remedy. Sends no credentials and never enrolls.",
        arguments=Doctor,
        result=Examined,
        run=doctor,
        here="Refused: a server does not look at itself from outside, and connects to no"
        " address that a caller names.",
    ),
    Tool(
        name="est_recent_activity",
        title="Recent activity",
        description="What EST was asked lately, the newest first: enrollments, renewals and"
        " refusals with their reasons, from the audit trail. Needs a viewer key.",
        arguments=Activity,
        result=RecentActivity,
        run=recent_activity,
        role="viewer",
    ),
)
