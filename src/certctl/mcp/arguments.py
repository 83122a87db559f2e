"""What each tool takes. Names are those of the commands that do the same."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_EVENTS = 100
PROFILE = r"^[A-Za-z0-9._~-]{0,128}$"

Profile = Annotated[
    str,
    Field(pattern=PROFILE, description="EST profile as in the URL; empty for the legacy root."),
]
CsrText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100_000,
        description="PKCS#10 request in PEM. With certctl-mcp also the path of its file.",
    ),
]
FilePath = Annotated[str, Field(min_length=1, max_length=4_096)]


class Arguments(BaseModel):
    """Nothing unknown is let through: a misspelled name must not go unnoticed."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Arguments):
    """No arguments."""


class OfProfile(Arguments):
    """One EST profile."""

    profile: Profile = ""


class Enroll(OfProfile):
    """A request for a certificate."""

    csr: CsrText


class Reenroll(OfProfile):
    """A renewal, shown to the server with the certificate that is to be renewed."""

    csr: CsrText | None = Field(
        default=None,
        description="PKCS#10 request in PEM, or the path of its file. Without it the request is"
        " made for the names and with the key of the certificate.",
    )
    cert: FilePath | None = Field(
        default=None, description="Path of the client certificate (PEM), with its chain."
    )
    key: FilePath | None = Field(
        default=None, description="Path of its private key (PEM, unencrypted)."
    )


class Explain(Enroll):
    """A request to be judged."""

    operation: Literal["simpleenroll", "simplereenroll"] = "simpleenroll"
    user: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, description="HTTP Basic user name; no password is needed."
    )
    cert: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        default=None,
        description="Client certificate in PEM. With certctl-mcp also the path of its file.",
    )
    source: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="IP address from which the request would come."
    )


class Doctor(OfProfile):
    """A server to be examined."""

    url: Annotated[str, Field(max_length=2_000)] | None = Field(
        default=None,
        description="https://HOST[:PORT]; without it the configured server. Another one must be"
        " allowed by whoever set up certctl-mcp (CERTCTL_MCP_DOCTOR_SERVERS).",
    )


class Activity(Arguments):
    """Filters of the audit trail; all that are given hold together."""

    profile: Annotated[str, Field(pattern=PROFILE)] | None = Field(
        default=None, description="EST profile."
    )
    action: Annotated[str, Field(pattern=r"^est_[a-z_]{0,60}$")] = Field(
        default="est_",
        description="Beginning of the action's name, such as est_simple_enroll.",
    )
    outcome: Literal["success", "failure"] | None = None
    source: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Source address."
    )
    text: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, description="Contained in details, actor, resource or subject."
    )
    limit: Annotated[int, Field(ge=1, le=MOST_EVENTS)] = 20
