"""Every decoder that reads what strangers send, with its law and its seeds.

A new decoder is two lines: a law (a function that takes the octets and raises when
something is broken; see ``laws_wire``) and a row below. Seeds are the files of the named
folders below ``corpus/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import (
    laws_client,
    laws_http,
    laws_outside,
    laws_proxy,
    laws_records,
    laws_request,
    laws_status,
    laws_trust,
    laws_web,
    laws_wire,
)

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
FOUND = HERE / "found"
"""Inputs that once broke a law, a folder per target; each is replayed by the tests."""

BODY_LIMIT = 64 * 1024
"""The default of ``EST_MAX_BODY``; nothing longer reaches a decoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One decoder.

    Attributes:
        law: raises when it is broken; returning is all that is expected.
        seeds: folders of the corpus.
        longest: octets of an input.
    """

    name: str
    law: Callable[[bytes], None]
    seeds: tuple[str, ...]
    longest: int = BODY_LIMIT

    def corpus(self) -> list[bytes]:
        """The seeds, and what was found before, in a fixed order."""
        folders = [CORPUS / seed for seed in self.seeds] + [FOUND / self.name]
        return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*"))]


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(name="pkcs10", law=laws_request.pkcs10, seeds=("csr",)),
        Target(name="verify", law=laws_trust.verify, seeds=("chain",)),
        Target(name="verify_signed", law=laws_trust.verify_signed, seeds=("tbs",)),
        Target(name="presented", law=laws_trust.presented, seeds=("certificate",)),
        Target(name="bundle", law=laws_trust.bundle, seeds=("bundle",)),
        Target(name="body", law=laws_wire.body, seeds=("body",)),
        Target(name="certificate", law=laws_request.certificate, seeds=("csr",)),
        Target(name="signature", law=laws_request.signature, seeds=("csr",)),
        Target(name="attributes", law=laws_request.attributes, seeds=("attributes",)),
        Target(name="extensions", law=laws_wire.extensions, seeds=("extensions",)),
        Target(name="general_names", law=laws_wire.general_names, seeds=("general_names",)),
        Target(name="names", law=laws_wire.names, seeds=("name",)),
        Target(name="name_text", law=laws_trust.texts_of_name, seeds=("name",)),
        Target(name="public_key", law=laws_wire.public_key, seeds=("public_key",)),
        Target(name="der", law=laws_wire.der, seeds=("name", "extensions", "oid"), longest=4_096),
        Target(
            name="csrattrs",
            law=laws_wire.csrattrs,
            seeds=("csrattrs", "attributes"),
            longest=4_096,
        ),
        Target(name="oid_text", law=laws_wire.oid_text, seeds=("oid_text",), longest=256),
        Target(name="http", law=laws_http.http, seeds=("http",)),
        Target(name="crl", law=laws_status.crl, seeds=("crl",)),
        Target(
            name="ocsp_request",
            law=laws_status.ocsp_request,
            seeds=("ocsp_request",),
            longest=4_096,
        ),
        Target(name="ocsp_path", law=laws_status.ocsp_path, seeds=("ocsp_path",), longest=4_096),
        Target(name="basic", law=laws_wire.basic, seeds=("basic",), longest=16 * 1024),
        Target(
            name="client_cert",
            law=laws_proxy.client_cert,
            seeds=("client_cert",),
            longest=16 * 1024,
        ),
        Target(name="forwarded", law=laws_proxy.forwarded, seeds=("forwarded",), longest=16 * 1024),
        Target(name="traceparent", law=laws_proxy.traceparent, seeds=("traceparent",), longest=256),
        Target(name="path", law=laws_web.path, seeds=("path",), longest=4_096),
        Target(name="page_request", law=laws_web.page_request, seeds=("page_request",)),
        Target(name="shown", law=laws_web.shown, seeds=("certificate", "csr")),
        Target(name="cursor", law=laws_records.cursor, seeds=("cursor",), longest=4_096),
        Target(name="frames", law=laws_records.frames, seeds=("frames",)),
        Target(name="audit_line", law=laws_records.audit_line, seeds=("audit_line",)),
        Target(
            name="search_text", law=laws_records.search_text, seeds=("search_text",), longest=4_096
        ),
        Target(name="identity", law=laws_records.identity, seeds=("identity", "name")),
        Target(name="change_subject", law=laws_records.change_subject, seeds=("change_subject",)),
        Target(name="imported", law=laws_records.imported, seeds=("certificate",)),
        Target(name="returned", law=laws_outside.returned, seeds=("returned",)),
        Target(name="program_output", law=laws_outside.program_output, seeds=("program_output",)),
        Target(name="hook_answer", law=laws_outside.hook_answer, seeds=("hook_answer",)),
        Target(name="answers", law=laws_client.answers, seeds=("answers",)),
        Target(name="doctor", law=laws_client.doctor, seeds=("doctor", "certificate")),
        Target(name="mcp_answer", law=laws_client.mcp_answer, seeds=("mcp_answer",)),
        Target(name="http_answer", law=laws_client.http_answer, seeds=("http_answer",)),
    )
}
