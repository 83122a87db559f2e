"""certctl: an enrollment server for EST (RFC 7030)."""

__version__ = "0.1.0"
