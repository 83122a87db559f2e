"""TCP ports: SO_REUSEPORT lets workers share one, but must not hide a second server."""

from __future__ import annotations

import socket


class PortInUse(Exception):
    """The address cannot be bound; the text says which and what to do."""


def reserve_port(host: str, port: int, *, setting: str) -> tuple[int, socket.socket]:
    """Make sure nobody else listens, and keep the port for the workers.

    ``setting`` says in the refusal how to choose another address.

    Binding first *without* SO_REUSEPORT finds any other listener, also one of ours that
    would share the port silently. The socket given back is bound but does not listen,
    so it takes no connections; keep it open as long as the tree runs.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind((host, port))
            # Two sockets with SO_REUSEADDR may bind; only one may listen.
            probe.listen(1)
            port = probe.getsockname()[1]
        reservation = socket.socket(family)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind((host, port))
    except OSError as err:
        raise PortInUse(
            f"{host} port {port}: {err.strerror}. Stop what listens there, or choose another"
            f" address with {setting}."
        ) from err
    return port, reservation
