"""What ``quickstart`` prints once it serves: the first device, and lines to copy."""

from __future__ import annotations

import os
import shlex
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from certctl.cli.first_device import EnrolledDevice


def welcome(url: str, *, directory: Path, profile: str, device: EnrolledDevice) -> str:
    """Plain text with shell lines that work as they stand, word for word."""
    place = shlex.quote(near(directory))
    est = f"{url}/.well-known/est/{profile}"
    password = f'"device-001:$(cat {place}/enrollment-password)"'
    done = "enrolled just now" if device.fresh else "enrolled on an earlier start"
    return f"""
certctl serves EST at {est}/ (and at {url}/.well-known/est/)

  CA certificate       {place}/ca.pem
  web pages            {url}/   (log in with the key in {place}/admin-key)
  enrollment password  {place}/enrollment-password   (any user name)
  settings             {place}/certctl.env   (certctl-server COMMAND --config …)
  records and keys     {place}/data
  CRL                  {url}/.well-known/pki/crl/iss-local   (OCSP at …/pki/ocsp/iss-local)

First device, {done} over the network:

{_described(device.certificate)}
  kept in     {near(device.certificate_file)}

Enroll a device of your own, in another terminal:

  openssl ecparam -name prime256v1 -genkey -noout -out device.key
  openssl req -new -key device.key -subj "/CN=device-001.example.com" -out device.csr
  openssl req -in device.csr -outform DER | base64 -w0 > device.b64
  curl -sS --fail-with-body --cacert {place}/ca.pem -u {password} \\
       -H "Content-Type: application/pkcs10" --data-binary @device.b64 \\
       {est}/simpleenroll -o device.p7.b64
  base64 -d device.p7.b64 | openssl pkcs7 -inform DER -print_certs -out device.crt
  openssl x509 -in device.crt -noout -subject -issuer -enddate

Renew it with the certificate it has, no password:

  curl -sS --fail-with-body --cacert {place}/ca.pem --cert device.crt --key device.key \\
       -H "Content-Type: application/pkcs10" --data-binary @device.b64 \\
       {est}/simplereenroll -o renewed.p7.b64
  base64 -d renewed.p7.b64 | openssl pkcs7 -inform DER -print_certs -out renewed.crt

What an operator does with it, step by step: docs/first-hour.md

Ctrl-C stops the server; start it with the same --dir and it has the same CA and records.
"""


def near(path: Path) -> str:
    """As one types it here; what lies elsewhere by its whole name, not by way of ``../..``."""
    relative = os.path.relpath(path)
    return str(path.resolve()) if relative.startswith("..") else relative


def _described(certificate: x509.Certificate) -> str:
    end = certificate.not_valid_after_utc
    lifetime = end - certificate.not_valid_before_utc
    days = round(lifetime / timedelta(days=1))
    return "\n".join(
        (
            f"  subject     {certificate.subject.rfc4514_string()}",
            f"  issuer      {certificate.issuer.rfc4514_string()}",
            f"  serial      {certificate.serial_number:x}",
            f"  valid until {end:%Y-%m-%d %H:%M} UTC ({days} days)",
        )
    )
