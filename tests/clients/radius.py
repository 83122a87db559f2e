"""FreeRADIUS on loopback with EAP-TLS and a CRL, and a supplicant that tries to get in."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.clients.tools import Ran, need, run
from tests.harness.device import Device

READY_SECONDS = 20
STOP_SECONDS = 10
SECRET = "radius-secret"

CONFIGURATION = """
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {home}
logdir = {home}
run_dir = {home}
pidfile = {home}/radiusd.pid
security {{
    allow_core_dumps = no
    reject_delay = 0
    status_server = no
}}
client here {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
modules {{
    eap {{
        default_eap_type = tls
        tls-config common {{
            private_key_file = {home}/server.key
            certificate_file = {home}/server.crt
            ca_file = {home}/trusted.pem
            check_crl = yes
            tls_min_version = "1.2"
            tls_max_version = "1.2"
            cache {{
                enable = no
            }}
        }}
        tls {{
            tls = common
        }}
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        eap
    }}
    authenticate {{
        eap
    }}
}}
"""

SUPPLICANT = """network={{
    key_mgmt=IEEE8021X
    eap=TLS
    identity="{name}"
    ca_cert="{ca}"
    client_cert="{certificate}"
    private_key="{key}"
}}
"""


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Radius:
    """Use as a context manager. It reads its CRL when it starts.

    Attributes:
        server: a device whose certificate the supplicant trusts as the RADIUS server's.
        trusted: the CA of the devices and its CRL (PEM).
    """

    home: Path
    server: Device
    trusted: bytes
    port: int = field(default_factory=free_udp_port)
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        program = need("/usr/sbin/freeradius", package="freeradius")
        # It shares memory with nobody, and asks for that of whoever may look in.
        self.home.mkdir(mode=0o700)
        assert self.server.certificate is not None
        (self.home / "server.key").write_bytes(self.server.key_file.read_bytes())
        (self.home / "server.crt").write_bytes(self.server.certificate_file.read_bytes())
        (self.home / "trusted.pem").write_bytes(self.trusted)
        (self.home / "radiusd.conf").write_text(
            CONFIGURATION.format(home=self.home, secret=SECRET, port=self.port)
        )
        with (self.home / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [program, "-f", "-x", "-l", "stdout", "-d", str(self.home), "-n", "radiusd"],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OPENSSL_CONF": os.devnull},
            )
        deadline = time.monotonic() + READY_SECONDS
        while "Ready to process requests" not in self.log():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)

    def log(self) -> str:
        return (self.home / "out").read_text(errors="replace")

    def tried_by(self, device: Device, *, ca: Path) -> Ran:
        """The device asks to be let in; ``ca`` is what it knows the RADIUS server by."""
        program = need("eapol_test", package="eapoltest")
        configuration = self.home / "supplicant.conf"
        configuration.write_text(
            SUPPLICANT.format(
                name=device.common_name,
                ca=ca,
                certificate=device.certificate_file,
                key=device.key_file,
            )
        )
        words: list[str | Path] = [
            program,
            "-c",
            configuration,
            "-a",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        return run([*words, "-s", SECRET, "-t", "15"], directory=self.home)
