"""Where a server is: an https URL, taken apart once (RFC 9110 §4.2.2)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from certctl.client.failures import BadInput
from certctl.domain.plain_text import shown

HTTPS = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Host (name or IP address, without brackets), TCP port, and a path without final slash."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an URL.

        Raises:
            BadInput: not https, no host, or a port that is none.
        """
        remedy = "Give it like https://est.example.com:8443."
        if "://" not in url:
            url = f"https://{url}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as err:
            raise BadInput(f"{shown(url)} is no URL: {err}.", remedy) from err
        if parts.scheme != "https":
            raise BadInput(f"{shown(url)} is not https; nothing else is spoken.", remedy)
        if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
            raise BadInput(f"{shown(url)} is not the URL of a server.", remedy)
        if not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
            raise BadInput(f"{shown(url)} has a path that cannot be sent.", remedy)
        return cls(host=parts.hostname, port=port or HTTPS, path=parts.path.rstrip("/"))

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def authority(self) -> str:
        """For the Host header; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.authority}{self.path}"
