"""Text that deceives the eye is refused; what is shown of it is harmless."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import PolicyViolation
from certctl.domain.plain_text import MAX_SHOWN, check_text, shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "device-1.example",
        "=cmd|' /C calc'!A1",
        "Gerät 7 Über-Straße",
        "αβγ-7",
        "датчик-1",
        "датчик sensor",
        "устройство.example",
        "センサー Sensor",
        "传感器7",
        "센서",
        "50 \u00b5A, 3 k\u2126",
        "e\u0301",
    ],
)
def test_honest_text_passes(text):
    check_text(text, of="CN")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("device\x00.example", id="NUL"),
        pytest.param("device\r\nX: y", id="line end"),
        pytest.param("\x1b[31mdevice", id="terminal escape"),
        pytest.param("device\x7f", id="DEL"),
        pytest.param("device\x85", id="C1 control"),
        pytest.param("\u202edevice", id="right-to-left override"),
        pytest.param("device\u2066", id="isolate"),
        pytest.param("de\u200bvice", id="zero width space"),
        pytest.param("de\u200dvice", id="joiner"),
        pytest.param("\ufeffdevice", id="byte order mark"),
        pytest.param("de\u00advice", id="soft hyphen"),
        pytest.param("device\u00a0", id="no-break space"),
        pytest.param("device\u2028", id="line separator"),
        pytest.param("device\u034f", id="grapheme joiner"),
        pytest.param("device\u3164", id="Hangul filler"),
        pytest.param("device\ufe0f", id="variation selector"),
        pytest.param("device\U000e0101", id="late variation selector"),
        pytest.param("device\u2800", id="empty Braille cell"),
        pytest.param("device\ue000", id="private use"),
        pytest.param("device\u0378", id="unassigned"),
        pytest.param("d\u0435vice", id="Cyrillic e among Latin"),
        pytest.param("a.d\u0435vice.example", id="in one label of several"),
        pytest.param("\u0430-device", id="hyphen does not part labels"),
        pytest.param("\u03bfffice", id="Greek o"),
        pytest.param("\uff44\u0435vice", id="full-width d, Cyrillic e"),
        pytest.param("\u0578ffice", id="Armenian o"),
    ],
)
def test_text_that_deceives_is_refused(text):
    with pytest.raises(PolicyViolation) as caught:
        check_text(text, of="CN")
    assert caught.value.dimension == "name"
    assert caught.value.got.isprintable()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain", "plain"),
        ("Gerät", "Gerät"),
        ("a\nb", "a\\u000ab"),
        ("a\x1b[0m", "a\\u001b[0m"),
        ("\u202ea", "\\u202ea"),
        ("\U000e0001", "\\U000e0001"),
        ("x" * 300, "x" * MAX_SHOWN + "…"),
    ],
)
def test_shown_text_is_escaped_and_cut(text, safe):
    assert shown(text) == safe


@given(st.text(max_size=400))
def test_shown_text_is_always_printable_and_bounded(text):
    safe = shown(text)
    assert safe.isprintable()
    assert len(safe) <= 10 * MAX_SHOWN + 1


@given(st.text(max_size=40))
def test_no_control_or_format_character_ever_passes(text):
    try:
        check_text(text, of="CN")
    except PolicyViolation:
        return
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
