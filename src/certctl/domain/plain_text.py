"""Text from outside that people will read: what may stand in a name, how to show it.

A name in a certificate is compared by eyes, in logs, consoles and device lists. So a
character that is invisible, that reorders its neighbours, or that borrows the look of
another alphabet is refused here (policy §2), and whatever is shown in a refusal is
escaped and cut. ASCII text leaves every check after two C calls.
"""

from __future__ import annotations

import unicodedata

from certctl.domain.errors import PolicyViolation

MAX_SHOWN = 200
"""Characters of a foreign value that a refusal repeats."""

# Alphabets whose letters are drawn alike; any two of them in one label deceive.
_LOOKALIKE_SCRIPTS = frozenset(
    {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "COPTIC", "CHEROKEE", "GEORGIAN"}
)

# Micro and ohm, which NFKC would make Greek letters: "50 µA" deceives nobody.
_UNIT_SIGNS = {0x00B5: None, 0x2126: None}

# str.isprintable() already refuses control, format (bidirectional, zero width),
# surrogate, private, unassigned and separator characters. These are letters and marks
# to Unicode and nothing to the eye: grapheme joiner, Hangul and Khmer fillers,
# Mongolian and other variation selectors, the empty Braille cell.
_INVISIBLE = frozenset(
    map(
        chr,
        (
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
            *range(0xE0100, 0xE01F0),
        ),
    )
)


def check_text(text: str, *, of: str) -> None:
    """Refuse what the eye cannot tell apart; ``of`` says whose text it is.

    Raises:
        PolicyViolation: dimension ``name``.
    """
    if not text.isprintable():
        raise PolicyViolation(
            "name",
            wanted="no control, bidirectional, zero-width or special space characters",
            got=f"{of} {shown(text)}",
        )
    if text.isascii():
        return
    if not _INVISIBLE.isdisjoint(text):
        raise PolicyViolation("name", wanted="no invisible characters", got=f"{of} {shown(text)}")
    _check_scripts(text, of=of)


def shown(text: str) -> str:
    """A value from outside for a line of text: ASCII-escaped where unsafe, and cut."""
    if len(text) > MAX_SHOWN:
        text = text[:MAX_SHOWN] + "…"
    return escaped(text)


def escaped(text: str) -> str:
    """All of a value from outside, ASCII-escaped where unsafe."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _check_scripts(text: str, *, of: str) -> None:
    """One label, one look-alike script. A label is a run of letters, digits and - _."""
    scripts: set[str] = set()
    # NFKC first: full-width and mathematical letters are Latin ones in disguise.
    for character in unicodedata.normalize("NFKC", text.translate(_UNIT_SIGNS)):
        kind = unicodedata.category(character)[0]
        if kind == "L":
            scripts.add(unicodedata.name(character, "").partition(" ")[0])
            if len(scripts & _LOOKALIKE_SCRIPTS) > 1:
                raise PolicyViolation(
                    "name", wanted="one script in each label", got=f"{of} {shown(text)}"
                )
        elif kind not in "MN" and character not in "-_":
            scripts.clear()
