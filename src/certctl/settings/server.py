"""Server settings out of what was given (config §1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from certctl.domain.api_keys import Role
from certctl.settings.catalogue import server as names
from certctl.settings.given import Given
from certctl.settings.schema import ApiSettings, FixedKey, LogFormat, ServerSettings
from certctl.settings.secret import SecretSource
from certctl.settings.surroundings import Surroundings
from certctl.settings.variable import Variable

STATE_DIRECTORY = "STATE_DIRECTORY"
"""Set by systemd for units with ``StateDirectory=``; a list split on colons."""

UNNAMED = "unnamed"
"""Name of the keys in ``AUTH_SECRET``, in audit events."""

DATA_DIR_PLACEHOLDER = "{DATA_DIR}"


def server_settings(
    given: Given, environ: Mapping[str, str], surroundings: Surroundings
) -> ServerSettings:
    """The server's settings; faults across variables go into the report."""
    data_dir = _data_dir(given, environ)
    certificate = given.path(names.SERVER_TLS_CERT_PATH)
    key = given.path(names.SERVER_TLS_KEY_PATH)
    check_pair(given, names.SERVER_TLS_CERT_PATH, names.SERVER_TLS_KEY_PATH)
    database_url = _database_url(given, data_dir)
    default_format = LogFormat.TEXT if surroundings.on_terminal else LogFormat.JSON
    return ServerSettings(
        host=given.value(names.SERVER_HOST),
        port=given.value(names.SERVER_PORT),
        tls12_port=_tls12_port(given),
        pki_http_port=_pki_http_port(given),
        tls_cert_path=certificate,
        tls_key_path=key,
        public_url=given.value(names.PUBLIC_URL),
        trusted_proxies=given.value(names.TRUSTED_PROXIES),
        max_connections=given.value(names.MAX_CONNECTIONS),
        max_connections_per_source=given.value(names.MAX_CONNECTIONS_PER_SOURCE),
        data_dir=data_dir,
        database_url=database_url,
        database_read_url=_database_read_url(given, database_url),
        workers=given.value(names.WORKERS) or surroundings.cores,
        max_body=given.value(names.MAX_BODY_SIZE),
        est_max_body=given.value(names.EST_MAX_BODY),
        shutdown_grace_s=float(given.value(names.SHUTDOWN_GRACE)),
        log_level=given.value(names.LOG_LEVEL),
        log_format=given.value(names.LOG_FORMAT) or default_format,
        certificate_profiles_dir=given.path(names.CERTIFICATE_PROFILES_DIR),
        api=_api_settings(given),
        config_key=_config_key(given),
        ui_idle_s=given.value(names.UI_IDLE_TIMEOUT),
        metrics_port=_metrics_port(given),
        metrics_address=given.value(names.METRICS_ADDRESS),
        mcp_enabled=given.value(names.MCP_ENABLED),
    )


def _config_key(given: Given) -> SecretSource | None:
    source = given.value(names.CONFIG_ENCRYPTION_KEY)
    if source is not None and source.path is None:
        given.warn(
            names.CONFIG_ENCRYPTION_KEY,
            "",
            "the environment is seen by all processes, those facing the network too",
            f"write it to a file and set {names.CONFIG_ENCRYPTION_KEY.full_name()}_FILE",
        )
    return source


def _api_settings(given: Given) -> ApiSettings:
    named = given.value(names.API_KEYS_NAMED)
    fixed = [
        FixedKey(name=key.name, role=Role.ADMIN if key.admin else Role.OPERATOR, secret=key.key)
        for key in named
    ]
    fixed += [
        FixedKey(name=UNNAMED, role=Role.OPERATOR, secret=secret)
        for secret in given.value(names.AUTH_SECRET)
    ]
    is_open = given.value(names.AUTH_TYPE) == "none"
    host = given.value(names.SERVER_HOST)
    if is_open and not _is_loopback(host):
        given.refuse(
            names.AUTH_TYPE,
            "",
            f"is none, and {names.SERVER_HOST.full_name()} is no loopback address: everybody who"
            " reaches this server would be its admin",
            "set it to api-key and make a key: certctl-server keys create NAME --role admin",
        )
    limited = given.value(names.RATE_LIMIT_ENABLED)
    return ApiSettings(
        open=is_open,
        fixed_keys=tuple(fixed),
        rate=given.value(names.RATE_LIMIT_RPS) if limited else 0,
        burst=given.value(names.RATE_LIMIT_BURST),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_pair(
    given: Given,
    certificate: Variable[Path | None],
    key: Variable[Path | None],
    owner: str = "",
) -> None:
    """A certificate path and its key path come together or not at all."""
    for one, other in ((certificate, key), (key, certificate)):
        if given.is_set(one, owner) and not given.is_set(other, owner):
            given.refuse(
                one,
                owner,
                f"is set, but {given.name(other, owner)} is not",
                "set both or none of the two",
            )


def _tls12_port(given: Given) -> int | None:
    port = given.value(names.TLS12_PORT)
    if given.sound("", names.SERVER_PORT) and port == given.value(names.SERVER_PORT):
        given.refuse(
            names.TLS12_PORT,
            "",
            f"is {names.SERVER_PORT.full_name()} as well",
            "give the listener for old devices a port of its own",
            came=str(port),
        )
    return port


def _pki_http_port(given: Given) -> int | None:
    port = given.value(names.PKI_HTTP_PORT)
    others: tuple[Variable[Any], ...] = (names.SERVER_PORT, names.TLS12_PORT)
    for other in others:
        if port is not None and given.sound("", other) and port == given.value(other):
            given.refuse(
                names.PKI_HTTP_PORT,
                "",
                f"is {other.full_name()} as well",
                "give the plain listener a port of its own",
                came=str(port),
            )
    return port


def _metrics_port(given: Given) -> int | None:
    port = given.value(names.METRICS_PORT)
    others: tuple[Variable[Any], ...] = (names.SERVER_PORT, names.TLS12_PORT, names.PKI_HTTP_PORT)
    for other in others:
        if port is not None and given.sound("", other) and port == given.value(other):
            given.refuse(
                names.METRICS_PORT,
                "",
                f"is {other.full_name()} as well",
                "give the listener for metrics a port of its own",
                came=str(port),
            )
    address = given.value(names.METRICS_ADDRESS)
    if port is None and given.is_set(names.METRICS_ADDRESS):
        given.warn(
            names.METRICS_ADDRESS,
            "",
            f"has no effect: {names.METRICS_PORT.full_name()} is not set",
            "unset it",
        )
    elif port is not None and not _is_loopback(address):
        given.warn(
            names.METRICS_ADDRESS,
            "",
            "is no loopback address: whoever reaches it reads the names of profiles, issuers and"
            " channels, and how much they are used",
            "let only the monitoring reach it, or scrape /metrics of the HTTPS listener with an"
            " API key",
        )
    return port


def _data_dir(given: Given, environ: Mapping[str, str]) -> Path:
    chosen = given.path(names.DATA_DIR)
    if chosen is None:
        state = environ.get(STATE_DIRECTORY, "").split(":")[0]
        chosen = given.directory / (state or "certctl-data")
    return chosen


def _database_read_url(given: Given, database_url: str) -> str:
    url = given.value(names.DATABASE_READ_URL)
    if url is not None and database_url.startswith("sqlite:///"):
        given.refuse(
            names.DATABASE_READ_URL,
            "",
            f"is set, but {names.DATABASE_URL.full_name()} names no PostgreSQL database",
            "unset it: the embedded database is opened read-only by itself",
        )
    return url or database_url


def _database_url(given: Given, data_dir: Path) -> str:
    """With the path made absolute: the processes need not share a working directory."""
    url = given.value(names.DATABASE_URL)
    if url is not None and not url.startswith("sqlite:///"):
        return url
    if url is None:
        return f"sqlite:///{quote(str(data_dir / 'certctl.db'))}"
    # It is a URL: what would end its path is written with per cent signs.
    path = url.removeprefix("sqlite:///").replace(DATA_DIR_PLACEHOLDER, quote(str(data_dir)))
    return f"sqlite:///{quote(str(given.directory / unquote(path)))}"
