"""Settings of the server: listener, limits, store, logs, API (config §1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from certctl.domain.proxies import TrustedProxies
from certctl.settings.config_key import CONFIG_KEY
from certctl.settings.kinds import (
    BOOLEAN,
    PATH,
    choice,
    duration,
    integer,
    items,
    or_off,
    size,
)
from certctl.settings.kinds_net import (
    API_KEYS,
    DATABASE,
    HOST,
    ORIGIN,
    PORT,
    POSTGRES_URL,
    PROXIES,
    SECRETS,
    WEB_ADDRESS,
    ApiKey,
)
from certctl.settings.schema import LogFormat, LogLevel
from certctl.settings.secret import Secret, SecretSource
from certctl.settings.variable import Variable

SERVER_HOST: Final = Variable(
    name="SERVER_HOST", kind=HOST, default="127.0.0.1", meaning="Address of the HTTPS listener."
)
SERVER_PORT: Final = Variable(
    name="SERVER_PORT",
    kind=integer(0, 65_535),
    default=8443,
    meaning="Port of the HTTPS listener; 0 takes a free one.",
)
SERVER_TLS_CERT_PATH: Final[Variable[Path | None]] = Variable(
    name="SERVER_TLS_CERT_PATH",
    kind=PATH,
    default=None,
    default_text="issued by the local CA",
    meaning="Certificate chain of the listener, PEM, leaf first; EC or RSA.",
)
SERVER_TLS_KEY_PATH: Final[Variable[Path | None]] = Variable(
    name="SERVER_TLS_KEY_PATH",
    kind=PATH,
    default=None,
    default_text="made with the certificate",
    meaning="Private key of that certificate, PEM without passphrase.",
)
TLS12_PORT: Final[Variable[int | None]] = Variable(
    name="TLS12_PORT",
    kind=or_off(PORT),
    default=None,
    default_text="off",
    meaning="Second listener with TLS 1.2 and 1.3 for old devices.",
)
PKI_HTTP_PORT: Final[Variable[int | None]] = Variable(
    name="PKI_HTTP_PORT",
    kind=or_off(PORT),
    default=None,
    default_text="off",
    meaning="Plain HTTP listener for CRL, OCSP and CA certificates only.",
)
TRUSTED_PROXIES: Final = Variable(
    name="TRUSTED_PROXIES",
    kind=PROXIES,
    default=TrustedProxies(),
    default_text="none",
    meaning="Proxies that may speak for clients, by network or certificate fingerprint.",
)
PUBLIC_URL: Final[Variable[str | None]] = Variable(
    name="PUBLIC_URL",
    kind=WEB_ADDRESS,
    default=None,
    meaning="The name others reach this server by; with `PKI_HTTP_PORT`, certificates say"
    " where CRL and OCSP are.",
)
MAX_CONNECTIONS: Final = Variable(
    name="MAX_CONNECTIONS",
    kind=integer(1, 1_000_000),
    default=20_000,
    meaning="Open connections in all; further ones are closed at once.",
)
MAX_CONNECTIONS_PER_SOURCE: Final = Variable(
    name="MAX_CONNECTIONS_PER_SOURCE",
    kind=integer(1, 1_000_000),
    default=2_000,
    meaning="Open connections of one source; further ones are closed at once.",
)
METRICS_PORT: Final[Variable[int | None]] = Variable(
    name="METRICS_PORT",
    kind=or_off(PORT),
    default=None,
    default_text="off",
    meaning="Plain listener for `/metrics` alone, without TLS and keys; on the HTTPS listener"
    " `/metrics` takes an API key.",
)
METRICS_ADDRESS: Final = Variable(
    name="METRICS_ADDRESS",
    kind=HOST,
    default="127.0.0.1",
    meaning="Address of that listener.",
)
DATA_DIR: Final[Variable[Path | None]] = Variable(
    name="DATA_DIR",
    kind=PATH,
    default=None,
    default_text="`$STATE_DIRECTORY` under systemd, else `./certctl-data`",
    meaning="Database, CA key and server key; made with mode 0700.",
)
DATABASE_URL: Final[Variable[str | None]] = Variable(
    name="DATABASE_URL",
    kind=DATABASE,
    default=None,
    default_text="`sqlite:///{DATA_DIR}/certctl.db`",
    secret=True,
    meaning="The store; `{DATA_DIR}` stands for that directory. PostgreSQL needs the extra"
    " `postgres`.",
)
DATABASE_READ_URL: Final[Variable[str | None]] = Variable(
    name="DATABASE_READ_URL",
    kind=POSTGRES_URL,
    default=None,
    default_text="`DATABASE_URL`",
    secret=True,
    meaning="The same PostgreSQL database as a role that may only read: for workers and jobs.",
)
WORKERS: Final[Variable[int | None]] = Variable(
    name="WORKERS",
    kind=integer(1, 256),
    default=None,
    default_text="number of cores",
    meaning="Worker processes.",
)
MAX_BODY_SIZE: Final = Variable(
    name="MAX_BODY_SIZE",
    kind=size(1_024, 1 << 30),
    default=1 << 20,
    default_text="1MiB",
    meaning="Longest body of an API request.",
)
EST_MAX_BODY: Final = Variable(
    name="EST_MAX_BODY",
    kind=size(1_024, 16 << 20),
    default=64 << 10,
    default_text="64KiB",
    meaning="Longest body of an EST request.",
)
LOG_LEVEL: Final = Variable(
    name="LOG_LEVEL",
    kind=choice(*LogLevel, also={"warn": LogLevel.WARNING}),
    default=LogLevel.INFO,
    meaning="The least important events that are logged.",
)
LOG_FORMAT: Final[Variable[LogFormat | None]] = Variable(
    name="LOG_FORMAT",
    kind=choice(*LogFormat),
    default=None,
    default_text="`text` on a terminal, else `json`",
    meaning="Form of the log lines.",
)
AUTH_TYPE: Final = Variable(
    name="AUTH_TYPE",
    kind=choice("api-key", "none"),
    default="api-key",
    meaning="How callers of the API authenticate; `none` only on loopback.",
)
API_KEYS_NAMED: Final[Variable[tuple[ApiKey, ...]]] = Variable(
    name="API_KEYS_NAMED",
    kind=API_KEYS,
    default=(),
    secret=True,
    meaning="API keys with a name; two of one name overlap during rotation.",
)
AUTH_SECRET: Final[Variable[tuple[Secret, ...]]] = Variable(
    name="AUTH_SECRET",
    kind=SECRETS,
    default=(),
    secret=True,
    meaning="API keys without a name, role operator.",
)
RATE_LIMIT_ENABLED: Final = Variable(
    name="RATE_LIMIT_ENABLED",
    kind=BOOLEAN,
    default=True,
    meaning="Limit the API and GUI per key or source.",
)
RATE_LIMIT_RPS: Final = Variable(
    name="RATE_LIMIT_RPS",
    kind=integer(1, 1_000_000),
    default=50,
    meaning="Requests per second.",
)
RATE_LIMIT_BURST: Final = Variable(
    name="RATE_LIMIT_BURST",
    kind=integer(1, 1_000_000),
    default=100,
    meaning="Requests at once.",
)
UI_IDLE_TIMEOUT: Final = Variable(
    name="UI_IDLE_TIMEOUT",
    kind=duration(1, 43_200),
    default=1_800,
    default_text="30m",
    meaning="How long a log-in to the web pages lasts without use; 12 h at most with it.",
)
MCP_ENABLED: Final = Variable(
    name="MCP_ENABLED",
    kind=BOOLEAN,
    default=True,
    meaning="Serve `/mcp` (Model Context Protocol) to callers with an API key.",
)
CORS_ORIGINS: Final[Variable[tuple[str, ...]]] = Variable(
    name="CORS_ORIGINS",
    kind=items(ORIGIN),
    default=(),
    meaning="Web origins that may call the API.",
)
SHUTDOWN_GRACE: Final = Variable(
    name="SHUTDOWN_GRACE",
    kind=duration(0, 3_600),
    default=30,
    default_text="30s",
    meaning="How long requests in flight may take to finish at a stop.",
)
CERTIFICATE_PROFILES_DIR: Final[Variable[Path | None]] = Variable(
    name="CERTIFICATE_PROFILES_DIR",
    kind=PATH,
    default=None,
    meaning="Certificate profiles as TOML files.",
)
CONFIG_ENCRYPTION_KEY: Final[Variable[SecretSource | None]] = Variable(
    name="CONFIG_ENCRYPTION_KEY",
    kind=CONFIG_KEY,
    default=None,
    secret=True,
    deferred=True,
    meaning="Encrypts issuers that are kept in the store, the same on every node; give it as a"
    " file, which only the authority reads.",
)
ALLOW_UNKNOWN: Final = Variable(
    name="ALLOW_UNKNOWN",
    kind=BOOLEAN,
    default=False,
    meaning="Warn of unknown `CERTCTL_` names instead of refusing them.",
)

SERVER_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    SERVER_HOST,
    SERVER_PORT,
    SERVER_TLS_CERT_PATH,
    SERVER_TLS_KEY_PATH,
    TLS12_PORT,
    PKI_HTTP_PORT,
    TRUSTED_PROXIES,
    PUBLIC_URL,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_SOURCE,
    METRICS_PORT,
    METRICS_ADDRESS,
    DATA_DIR,
    DATABASE_URL,
    DATABASE_READ_URL,
    WORKERS,
    MAX_BODY_SIZE,
    EST_MAX_BODY,
    LOG_LEVEL,
    LOG_FORMAT,
    AUTH_TYPE,
    API_KEYS_NAMED,
    AUTH_SECRET,
    RATE_LIMIT_ENABLED,
    RATE_LIMIT_RPS,
    RATE_LIMIT_BURST,
    UI_IDLE_TIMEOUT,
    MCP_ENABLED,
    CORS_ORIGINS,
    SHUTDOWN_GRACE,
    CERTIFICATE_PROFILES_DIR,
    CONFIG_ENCRYPTION_KEY,
    ALLOW_UNKNOWN,
)
