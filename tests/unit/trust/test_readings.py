"""What is kept of files: never longer than the file is the same, never more than is allowed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.trust.readings import STILL_US, Readings


class Reader:
    """Reads a file, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return self.path.read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("first")
    return path


def later(path: Path) -> int:
    """A moment at which the file has lain still for long enough."""
    return path.stat().st_ctime_ns // 1_000 + STILL_US + 1


def test_a_file_that_lies_still_is_read_once(file: Path):
    readings, reader = Readings[str](), Reader(file)
    assert [readings.of(file, reader, now_us=later(file)) for _ in range(3)] == ["first"] * 3
    assert reader.times == 1


@pytest.mark.parametrize("early_us", [0, STILL_US, -3_600_000_000], ids=["now", "a tick", "future"])
def test_a_file_that_may_still_be_written_in_the_same_tick_is_read_anew(file: Path, early_us: int):
    readings, reader = Readings[str](), Reader(file)
    now_us = file.stat().st_ctime_ns // 1_000 + early_us
    for times in (1, 2):
        assert readings.of(file, reader, now_us=now_us) == "first"
        assert reader.times == times


def written_in_place(path: Path) -> None:
    path.write_text("other text")


def of_the_same_size_with_its_time_set_back(path: Path) -> None:
    before = path.stat()
    path.write_text("other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed_over(path: Path) -> None:
    before = path.stat()
    fresh = path.with_suffix(".new")
    fresh.write_text("other")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)


def a_link_to_another(path: Path) -> None:
    path.with_suffix(".other").write_text("other")
    path.unlink()
    path.symlink_to(path.with_suffix(".other"))


@pytest.mark.parametrize(
    "change",
    [
        written_in_place,
        of_the_same_size_with_its_time_set_back,
        renamed_over,
        a_link_to_another,
    ],
    ids=lambda change: change.__name__.replace("_", " "),
)
def test_a_changed_file_is_read_with_the_very_next_look(file: Path, change: Callable[[Path], None]):
    readings, reader = Readings[str](), Reader(file)
    readings.of(file, reader, now_us=later(file))
    change(file)
    assert readings.of(file, reader, now_us=later(file)).startswith("other")


def test_new_permissions_have_it_read_anew(file: Path):
    readings, reader = Readings[str](), Reader(file)
    readings.of(file, reader, now_us=later(file))
    file.chmod(0o400)
    readings.of(file, reader, now_us=later(file))
    assert reader.times == 2


def test_a_file_that_is_gone_raises_at_once_and_when_it_is_back_it_is_read(file: Path):
    readings, reader = Readings[str](), Reader(file)
    now_us = later(file)
    readings.of(file, reader, now_us=now_us)
    file.unlink()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            readings.of(file, reader, now_us=now_us)
    file.write_text("back")
    assert readings.of(file, reader, now_us=later(file)) == "back"


def test_a_file_that_changes_while_it_is_read_is_not_kept(file: Path):
    readings, reader = Readings[str](), Reader(file)

    def overtaken() -> str:
        text = reader()
        file.write_text("second")
        return text

    now_us = later(file) + 3_600_000_000
    assert readings.of(file, overtaken, now_us=now_us) == "first"
    assert readings.of(file, reader, now_us=now_us) == "second"


def test_so_many_octets_are_kept_and_the_rest_is_read_anew(tmp_path: Path):
    readings = Readings[str](25)
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_text("0123456789")
    readers = [Reader(path) for path in paths]
    for _ in range(3):
        for path, reader in zip(paths, readers, strict=True):
            readings.of(path, reader, now_us=later(path))
    assert [each.times for each in readers] == [1, 1, 3, 3]
    # What has gone makes room.
    paths[0].unlink()
    with pytest.raises(FileNotFoundError):
        readings.of(paths[0], readers[0], now_us=0)
    for _ in range(2):
        readings.of(paths[2], readers[2], now_us=later(paths[2]))
    assert readers[2].times == 4
