"""Where certificates say that their status is found (config §1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from certctl.domain.crl_partitions import CrlPartition
from certctl.settings.schema import Settings
from certctl.wire.pointers import NO_POINTERS, Pointers

HTTP = 80


def pki_url(settings: Settings) -> str | None:
    """Where others reach what is published, without a slash at its end; None: nowhere."""
    server = settings.server
    if server.public_host is None or server.pki_http_port is None:
        return None
    host = server.public_host
    try:
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    except ValueError:
        pass
    port = "" if server.pki_http_port == HTTP else f":{server.pki_http_port}"
    return f"http://{host}{port}/.well-known/pki"


def pointers(
    settings: Settings, issuer_id: str, partitions: Sequence[CrlPartition] = ()
) -> Pointers:
    """What certificates of an issuer say of where it publishes; nothing that none can reach.

    ``partitions``: each certificate comes into one of them.
    """
    base = pki_url(settings)
    if base is None:
        return NO_POINTERS
    delta = settings.revocation.crl_delta_s is not None
    return Pointers(
        crl_url=f"{base}/crls/{issuer_id}.crl",
        freshest_url=f"{base}/delta/{issuer_id}.crl" if delta else None,
        ocsp_url=f"{base}/ocsp/{issuer_id}",
        ca_url=f"{base}/ca/{issuer_id}.crt",
        partition_urls=tuple((each.number, each.url(issuer_id)) for each in partitions),
    )
