"""Holders of leases: known by machine, process and time."""

from __future__ import annotations

import subprocess
import sys

from certctl.wiring.process import holder_name, is_gone


def test_a_living_holder_is_not_gone_and_an_ended_one_is():
    assert not is_gone(holder_name())
    code = "from certctl.wiring.process import holder_name; print(holder_name())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert is_gone(done.stdout.strip())


def test_its_number_given_to_another_process_does_not_bring_it_back():
    machine, number, began = holder_name().rsplit("/", 2)
    assert is_gone(f"{machine}/{number}/{int(began) + 1}")


def test_nothing_is_known_of_other_machines():
    assert not is_gone("another-machine/1/1")
    assert not is_gone("")
    machine = holder_name().rsplit("/", 2)[0]
    assert not is_gone(f"{machine}/x")
