r"""Reads ``--config FILE``: ``KEY=value`` lines as systemd's ``EnvironmentFile`` has them.

Comments begin with ``#`` or ``;``. A value is trimmed; quoted with ``'`` it is taken as it
stands, quoted with ``"`` a backslash escapes ``" \ $`` and the backtick; quoted parts may
follow one another and hold line ends. A backslash at the end of a line joins the next.
Stricter than systemd in one point: what it would skip (a line without ``=``, a bad name)
is refused here, because a typed-wrong security switch must not be silently off.
Faults name the line and never its text: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from certctl.settings.findings import Report
from certctl.settings.variable import PREFIX

MAX_OCTETS = 1 << 20
"""Far more than the settings of a thousand profiles; a wrong path must not fill memory."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
BLANKS = " \t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A value as given, and where: empty for the environment, else file and line."""

    text: str = field(repr=False)
    origin: str = ""


def read_config_file(path: Path, report: Report) -> Mapping[str, Written]:
    """All assignments of the file; faults go into the report."""
    text = _read(path, report)
    written: dict[str, Written] = {}
    for line, name, value in _Scanner(text=text, path=path, report=report).assignments():
        if NAME.fullmatch(name) is None or not name.startswith(PREFIX):
            report.refuse(
                str(path),
                f"line {line}: a name that does not begin with {PREFIX}",
                "write one CERTCTL_NAME=value per line; this file is for nothing else",
            )
            continue
        if name in written:
            report.warn(
                name,
                f"is assigned twice in {path}; line {line} wins",
                "delete the one that is not meant",
            )
        written[name] = Written(text=value, origin=f"{path} line {line}")
    return written


def _read(path: Path, report: Report) -> str:
    remedy = "give the path of a readable text file of CERTCTL_NAME=value lines"
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
        if len(octets) <= MAX_OCTETS and b"\0" not in octets:
            return octets.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as err:
        report.refuse(str(path), f"cannot be read: {err.strerror}", remedy)
    except UnicodeDecodeError:
        report.refuse(str(path), "is not UTF-8 text", remedy)
    else:
        report.refuse(str(path), f"holds NUL or more than {MAX_OCTETS} octets", remedy)
    return ""


@dataclass(slots=True, kw_only=True)
class _Scanner:
    """Walks the text once; ``at`` is the position, ``line`` the line it is on."""

    text: str
    path: Path
    report: Report
    at: int = 0
    line: int = 1

    def assignments(self) -> list[tuple[int, str, str]]:
        """(line, name, value) in order."""
        found = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in "#;":
                self._rest_of_line()
            elif character.isspace():
                self._take()
            else:
                line = self.line
                head, equals, _ = self.text[self.at :].partition("\n")[0].partition("=")
                if not equals:
                    self.report.refuse(
                        str(self.path),
                        f"line {line}: no = in it",
                        "write CERTCTL_NAME=value, or # before a comment",
                    )
                    self._rest_of_line()
                    continue
                self.at += len(head) + 1
                found.append((line, head.strip(), self._value()))
        return found

    def _take(self) -> str:
        character = self.text[self.at]
        self.at += 1
        if character == "\n":
            self.line += 1
        return character

    def _rest_of_line(self) -> None:
        while self.at < len(self.text) and self._take() != "\n":
            pass

    def _value(self) -> str:
        """The value from here to the end of its (possibly continued) line."""
        parts: list[str] = []
        # Quotes open only at the start of the value or right after quoted text: the
        # quote in  it's  is a letter.
        may_quote = True
        bare = ""
        while self.at < len(self.text):
            character = self._take()
            if character == "\n":
                break
            if may_quote and character in BLANKS:
                continue
            if may_quote and character in "'\"":
                parts.append(self._quoted(character))
                continue
            may_quote = False
            if character == "\\" and self.at < len(self.text):
                escaped = self._take()
                # An escaped blank is meant: put what came before out of rstrip's reach.
                parts.append(bare + ("" if escaped == "\n" else escaped))
                bare = ""
            else:
                bare += character
        return "".join(parts) + bare.rstrip()

    def _quoted(self, quote: str) -> str:
        start = self.line
        text = ""
        while self.at < len(self.text):
            character = self._take()
            if character == quote:
                return text
            if character == "\\" and quote == '"' and self.at < len(self.text):
                escaped = self._take()
                if escaped in '"\\`$':
                    text += escaped
                elif escaped != "\n":
                    text += "\\" + escaped
            else:
                text += character
        self.report.refuse(
            str(self.path), f"line {start}: a quote is not closed", f"close it with {quote}"
        )
        return ""
