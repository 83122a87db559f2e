"""The usable settings: frozen values, made once by ``certctl.settings.env``.

Whoever holds a ``Settings`` need not check it again: ranges, names and consistency are
right, paths are absolute. Nothing in here reads the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from certctl.domain.api_keys import Role
from certctl.domain.audit_copy import CopyTarget
from certctl.domain.lockout import LockoutRule
from certctl.domain.profiles import EstProfile
from certctl.domain.proxies import TrustedProxies
from certctl.domain.retention import KEEP_EVERYTHING, Retention
from certctl.settings.channels import EventSettings
from certctl.settings.findings import Finding
from certctl.settings.secret import Secret, SecretSource
from certctl.settings.traces import TraceSettings


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


class CaKeyType(StrEnum):
    """What kind of key the local CA makes at its first start (issuers §2)."""

    P256 = "P-256"
    P384 = "P-384"
    RSA2048 = "RSA-2048"
    RSA3072 = "RSA-3072"
    RSA4096 = "RSA-4096"
    ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedKey:
    """An API key out of the settings (``API_KEYS_NAMED``, ``AUTH_SECRET``)."""

    name: str
    role: Role
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Who may use the management API, and how often.

    Attributes:
        open: ``AUTH_TYPE=none``: every caller is an admin; only on loopback.
        fixed_keys: beside the keys of the store.
        rate: requests a second of one key or source, over all workers; 0 is no limit.
        burst: requests at once.
    """

    open: bool = False
    fixed_keys: tuple[FixedKey, ...] = ()
    rate: int = 50
    burst: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The processes, the listener and the store.

    Attributes:
        host: address or name to bind; IPv6 without brackets.
        tls12_port: of the listener for old devices; None when there is none.
        pki_http_port: of the plain listener for CRLs, OCSP and CA certificates, or None.
        metrics_port: of the plain listener for ``/metrics`` on ``metrics_address``, or None.
        tls_cert_path: PEM chain, leaf first; None when the local CA issues it. Set
            together with ``tls_key_path``.
        public_url: ``https://host[:port]`` without a final slash.
        trusted_proxies: who may speak for clients; empty means nobody.
        max_connections: over all workers.
        data_dir: absolute; may not exist yet, then it is made with mode 0700.
        database_url: ``sqlite:///`` and an absolute path, or ``postgresql://…`` with a
            password in it.
        database_read_url: for the processes that only read; the same unless given.
        certificate_profiles_dir: of TOML files; None where there are none.
        config_key: seals issuers of the store; only the authority reads it.
        max_body: octets, API bodies.
        est_max_body: octets, EST bodies after transfer decoding.
        shutdown_grace_s: seconds for requests in flight.
        ui_idle_s: seconds that a log-in to the web pages lasts without use.
        mcp_enabled: whether ``/mcp`` is served.
    """

    host: str
    port: int
    tls12_port: int | None
    pki_http_port: int | None
    tls_cert_path: Path | None
    tls_key_path: Path | None
    public_url: str | None
    trusted_proxies: TrustedProxies
    max_connections: int
    max_connections_per_source: int
    data_dir: Path
    database_url: str = field(repr=False)
    database_read_url: str = field(repr=False)
    workers: int
    max_body: int
    est_max_body: int
    shutdown_grace_s: float
    log_level: LogLevel
    log_format: LogFormat
    certificate_profiles_dir: Path | None = None
    api: ApiSettings = field(default_factory=ApiSettings)
    config_key: SecretSource | None = None
    ui_idle_s: int = 1_800
    metrics_port: int | None = None
    metrics_address: str = "127.0.0.1"
    mcp_enabled: bool = True

    @property
    def public_host(self) -> str | None:
        """Host of ``public_url``, lower case, IPv6 without brackets."""
        return urlsplit(self.public_url).hostname if self.public_url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstProfileSettings:
    """An EST profile with what belongs to it but must not travel in ``EstProfile``.

    ``enrollment_password`` is set when Basic is open. ``trust_bundle_path`` is the PEM
    file of the profile's anchors; None without mTLS and with ``MTLS_OWN_ONLY``. Whether
    mTLS opens the profile is for ``profile.mtls`` to say. ``device_state_hook`` is a URL
    that may hold a secret. ``crl_required`` is
    MTLS_CRL_POLICY=hard; ``ra_certificates_path`` is a PEM file, None without
    registration authorities.
    """

    profile: EstProfile
    enrollment_password: Secret | None = None
    trust_bundle_path: Path | None = None
    device_state_hook: str | None = field(default=None, repr=False)
    crl_required: bool = False
    ra_certificates_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstSettings:
    """The EST profiles. ``root_profile`` is the path ID that is served at the root too.

    ``lockout`` is when a source of wrong passwords has to wait.
    """

    enabled: bool
    root_profile: str | None
    require_auth: bool
    profiles: tuple[EstProfileSettings, ...]
    lockout: LockoutRule = field(default_factory=LockoutRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSettings:
    """The programs of an issuer; ``time_limit_s`` seconds is the longest run of any."""

    sign: Path
    find: Path | None = None
    revoke: Path | None = None
    time_limit_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One issuer.

    Attributes:
        id: ``[a-z0-9-]+``.
        ca_cert_path: PEM of the CA certificate and its chain: in sub-CA mode together with
            ``ca_key_path``, always of an issuer outside; None when the CA is made here.
        validity_s: seconds a certificate is valid unless its profile says otherwise.
        ca_key_passphrase: encrypts the CA key at rest; only the authority reads it.
        script: the programs of an issuer of type ``script``.
    """

    id: str
    type: str = "local"
    ca_cert_path: Path | None = None
    ca_key_path: Path | None = None
    ca_key_type: CaKeyType = CaKeyType.P256
    validity_s: int = 90 * 86_400
    ca_key_passphrase: SecretSource | None = None
    script: ScriptSettings | None = None

    @property
    def is_local(self) -> bool:
        """Its key is here, in the authority."""
        return self.script is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsSettings:
    """What becomes of records in time.

    ``retention.records_us`` is never less than the longest grace in which an expired
    certificate still renews. ``copy`` is where the audit trail is copied to; the path of
    a file is absolute.
    """

    retention: Retention = KEEP_EVERYTHING
    copy: CopyTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationSettings:
    """When CRLs are made and how long OCSP responders serve; times in seconds.

    Attributes:
        crl_delta_s: longest time between two delta CRLs; None: there are none.
        crl_partitions: how many certificates are divided into; 1: they are not.
        ocsp_per_minute: requests of one source that a worker answers; 0 is no limit.
    """

    crl_interval_s: int
    crl_debounce_s: int
    crl_validity_s: int
    crl_delta_s: int | None
    crl_partitions: int
    responder_validity_s: int
    responder_grace_s: int
    ocsp_per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one server; ``warnings`` also holds what the lint found."""

    server: ServerSettings
    est: EstSettings
    issuers: tuple[IssuerSettings, ...]
    revocation: RevocationSettings
    records: RecordsSettings = field(default_factory=RecordsSettings)
    events: EventSettings = field(default_factory=EventSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    warnings: tuple[Finding, ...] = ()
