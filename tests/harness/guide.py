"""Lines of the operator guide, as they stand there; a reader maps host, port, CA and key."""

from __future__ import annotations

from tests.harness.server import RunningServer

# Chapter "IoT bootstrap recipe", step 4.
BULK_REVOKE = """\
curl -sS -X POST \\
-H "Content-Type: application/json" \\
-H "Authorization: Bearer $CERTCTL_API_KEY" \\
--cacert /path/to/ca.crt \\
https://certctl.example.com:8443/api/v1/est/certificates/bulk-revoke \\
-d '{"reason":"keyCompromise","profile_id":"cp-iot-sensors"}'
"""

# Chapter "CLI + MCP tools".
CLI = """\
certctl-cli est cacerts --profile <name>
certctl-cli est csrattrs --profile <name>
certctl-cli est enroll --profile <name> --csr <path|-> [--out <path>]
certctl-cli est reenroll --profile <name> --csr <path|-> [--out <path>]
certctl-cli est serverkeygen --profile <name> --csr <path> --out <prefix>
certctl-cli est test --profile <name>
"""

# Chapter "Operator GUI (EST Admin tabs)": paths and the four audit prefixes of its tab.
PROFILES = "GET /api/v1/admin/est/profiles"
RELOAD = "POST /api/v1/admin/est/reload-trust"
PREFIXES = ("est_simple_enroll", "est_simple_reenroll", "est_server_keygen", "est_auth_failed")

# Chapter "Troubleshooting matrix", its first column.
ACTIONS = """\
est_simple_enroll_success
est_simple_enroll_failed
est_simple_reenroll_success
est_simple_reenroll_failed
est_server_keygen_success
est_server_keygen_failed
est_auth_failed_basic
est_auth_failed_mtls
est_auth_failed_channel_binding
est_rate_limited
est_csr_policy_violation
est_bulk_revoke
est_trust_anchor_reloaded
"""


def mapped(line: str, server: RunningServer) -> str:
    """The line with this server in place of the guide's."""
    return line.replace("/path/to/ca.crt", str(server.ca_file)).replace(
        "https://certctl.example.com:8443", server.url
    )
