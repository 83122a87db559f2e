"""A log that cannot be written ends nobody, and says so once it can be again."""

from __future__ import annotations

import io
import json

from certctl.obs.log import Level, make_log


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_that_were_lost_are_counted_in_the_next_one() -> None:
    disk = Disk()
    log = make_log("authority", level=Level.INFO, text=False, clock=lambda: 0, stream=disk)
    disk.full = True
    log.error("store_away")
    log.warning("clock_stepped")
    disk.full = False
    log.info("store_back")
    log.info("ready")
    told = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [(each["event"], each.get("lines_lost")) for each in told] == [
        ("store_back", 2),
        ("ready", None),
    ]
