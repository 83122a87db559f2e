"""What addresses, URLs, API keys and database names look like.

URLs can hold tokens and passwords, so the words of a refusal here never quote them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.domain.proxies import Network, TrustedProxies
from certctl.settings.kinds import LABEL, OFF, integer, printable
from certctl.settings.secret import Secret
from certctl.settings.variable import Kind

HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
FINGERPRINT = re.compile(r"cert:[0-9a-fA-F]{64}")

MAIL_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")

PORT = integer(1, 65_535)

POSTGRES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A named API key as written in ``API_KEYS_NAMED``."""

    name: str
    key: Secret
    admin: bool


def host(text: str) -> str:
    """An IP address or a host name; IPv6 with or without brackets, given without.

    Raises ValueError where it is neither.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        labels = text.rstrip(".").split(".")
        # All digits in the last label would be an address with a slip in it.
        if len(text) > 253 or not all(map(HOST_LABEL.fullmatch, labels)) or labels[-1].isdigit():
            raise ValueError("not a host name or IP address") from None
        return text.lower()


def _public_url(text: str) -> str:
    parts = _split(text, {"https"})
    if parts.path not in {"", "/"}:
        raise ValueError("a path is in it")
    if parts.query:
        raise ValueError("a query is in it")
    return f"https://{parts.netloc}"


def url(*schemes: str) -> Kind[str]:
    """A URL of one of the schemes, with a host and without user information."""

    def read(text: str) -> str:
        _split(text, schemes)
        return text

    return Kind(allowed=f"a URL, {' or '.join(f'{scheme}://' for scheme in schemes)}…", read=read)


def _split(text: str, schemes: Collection[str]) -> SplitResult:
    try:
        parts = urlsplit(printable(text))
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in schemes:
        raise ValueError(f"not a URL that begins with {' or '.join(sorted(schemes))}")
    if not parts.hostname or port == 0:
        raise ValueError("no host is in it, or port 0")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user name or password is in it")
    if parts.fragment:
        raise ValueError("a fragment (#…) is in it")
    host(parts.hostname)
    return parts


def _proxies(text: str) -> TrustedProxies:
    networks: list[Network] = []
    fingerprints: set[bytes] = set()
    faults: dict[str, None] = {}
    entries = [entry for entry in map(str.strip, text.split(",")) if entry]
    if not entries:
        raise ValueError("a list without items")
    for entry in entries:
        try:
            if FINGERPRINT.fullmatch(entry):
                fingerprints.add(bytes.fromhex(entry.partition(":")[2]))
            else:
                networks.append(_network(entry))
        except ValueError as err:
            faults[str(err)] = None
    if faults:
        raise ValueError("; ".join(faults))
    return TrustedProxies(networks=tuple(networks), fingerprints=frozenset(fingerprints))


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            "an entry is neither a network such as 192.0.2.0/24 (no bits beyond the "
            "prefix set) nor cert: and 64 hex digits"
        ) from None
    if network.prefixlen == 0:
        raise ValueError("an entry covers every address, so anybody could speak for anybody")
    if network.version == 6 and network.network_address.ipv4_mapped is not None:
        raise ValueError("an entry is IPv4 written as IPv6: write it as IPv4")
    return network


def _origin(text: str) -> str:
    parts = _split(text, {"https", "http"})
    if parts.path or parts.query:
        raise ValueError("an origin has no path or query")
    return text


def _api_keys(text: str) -> tuple[ApiKey, ...]:
    keys = []
    for entry in filter(None, map(str.strip, text.split(","))):
        name, *rest = entry.split(":")
        if len(rest) not in {1, 2} or not rest[0] or LABEL.fullmatch(name) is None:
            raise ValueError("an entry is not name:key or name:key:admin")
        if len(rest) == 2 and rest[1] != "admin":
            raise ValueError("an entry ends in something other than :admin")
        keys.append(ApiKey(name=name, key=Secret(printable(rest[0])), admin=len(rest) == 2))
    return tuple(keys)


def _secrets(text: str) -> tuple[Secret, ...]:
    entries = filter(None, map(str.strip, text.split(",")))
    return tuple(Secret(printable(entry)) for entry in entries)


def _database_url(text: str) -> str:
    printable(text)
    if text.startswith(POSTGRES):
        return _postgres_url(text)
    if not text.startswith("sqlite:///"):
        raise ValueError("neither sqlite:/// nor postgresql://")
    path = text.removeprefix("sqlite:///")
    if path in {"", ":memory:"} or "?" in path:
        # Each process would see a database of its own, or options would be lost.
        raise ValueError("not the path of a database file, or options are in it")
    return text


def _postgres_url(text: str) -> str:
    if not text.startswith(POSTGRES):
        raise ValueError("not postgresql://")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # Its words repeat what stands in the URL's place of a port.
        raise ValueError("not a URL; a password is percent-encoded in it") from None
    if port == 0 or parts.path in {"", "/"} or parts.fragment:
        raise ValueError("no database is named, or a # is not written as %23")
    return text


def _audit_copy(text: str) -> CopyTarget | None:
    if text.lower() in OFF:
        return None
    kind, _, rest = printable(text).partition(":")
    if kind not in {"file", "syslog"} or not rest:
        raise ValueError("neither file:PATH nor syslog:ADDRESS")
    if kind == "file":
        return CopyTarget(kind=CopyKind.FILE, path=rest)
    if rest.startswith("/"):
        return CopyTarget(kind=CopyKind.UNIX, path=rest)
    scheme, mark, address = rest.rpartition("://")
    if mark and scheme not in {"udp", "tcp"}:
        raise ValueError("a transport of syslog other than udp:// and tcp://")
    name, colon, port = address.rpartition(":")
    if not colon or not name:
        raise ValueError("an address without port")
    if ":" in name and not (name.startswith("[") and name.endswith("]")):
        raise ValueError("an IPv6 address without brackets")
    kind_of = CopyKind.TCP if scheme == "tcp" else CopyKind.UDP
    return CopyTarget(kind=kind_of, host=host(name), port=PORT.read(port))


def _mail_address(text: str) -> str:
    local, _, domain = printable(text).rpartition("@")
    # What could end a header or an SMTP command early, or name several, has no place here.
    if MAIL_LOCAL.fullmatch(local) is None:
        raise ValueError("not a mail address")
    host(domain)
    return text


HOST = Kind(allowed="an IP address or a host name", read=host)
MAIL_ADDRESS = Kind(allowed="name@host", read=_mail_address)
WEB_ADDRESS = Kind(allowed="https://host or https://host:port", read=_public_url)
PROXIES = Kind(
    allowed="a list, split on commas: CIDR networks, or cert: and the SHA-256 of a certificate",
    read=_proxies,
)
ORIGIN = Kind(allowed="https://host[:port]", read=_origin)
API_KEYS = Kind(allowed="name:key or name:key:admin, split on commas", read=_api_keys)
SECRETS = Kind(allowed="keys, split on commas", read=_secrets)
DATABASE = Kind(
    allowed="sqlite:///PATH (sqlite:////absolute/path) or postgresql://…", read=_database_url
)
POSTGRES_URL = Kind(allowed="postgresql://…", read=_postgres_url)
AUDIT_COPY = Kind(
    allowed="file:PATH, syslog:HOST:PORT (UDP), syslog:tcp://HOST:PORT or syslog:/dev/log",
    read=_audit_copy,
)
