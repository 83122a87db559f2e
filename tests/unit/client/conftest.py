"""The doctor's patient, for all of its tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.unit.client.patient import ROOT, Patient


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    ca_file = tmp_path / "root.pem"
    ca_file.write_bytes(ROOT.certificate.public_bytes(serialization.Encoding.PEM))
    return Patient(tmp_path, ca_file)
