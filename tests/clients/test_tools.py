"""A missing foreign client is skipped on a developer's machine and fails in CI."""

import pytest

from tests.clients.tools import need

NOWHERE = "no-such-est-client"


def test_missing_program_is_a_skip_that_names_the_package(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install the-package"):
        need(NOWHERE, package="the-package")


def test_missing_program_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install the-package"):
        need(NOWHERE, package="the-package")


def test_missing_file_is_missing_too(monkeypatch, tmp_path):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        need(str(tmp_path / "absent.jar"), package="the-package")


def test_found_program_and_file(tmp_path):
    jar = tmp_path / "present.jar"
    jar.touch()
    assert need("sh", package="dash").endswith("/sh")
    assert need(str(jar), package="the-package") == str(jar)
