"""The other end of the wire: what asks an EST server (RFC 7030) or the management API."""
