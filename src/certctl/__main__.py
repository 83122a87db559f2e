"""``certctl-server``, and ``python -m certctl``: OpenSSL is set up before all else."""

from __future__ import annotations

from certctl.openssl_defaults import apply_openssl_defaults


def main() -> None:
    """Entry point of the ``certctl-server`` program."""
    apply_openssl_defaults()
    from certctl.cli.server import main as server  # noqa: PLC0415 - not before OpenSSL is set up

    server()


if __name__ == "__main__":
    main()
