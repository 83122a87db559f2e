"""The alert rules, by Prometheus's own tool: well formed, and each comes when it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.clients.tools import need, run

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "prometheus"
BOARD = ROOT / "deploy" / "grafana" / "certctl.json"
MONITOR = ROOT / "docs" / "how-to" / "monitor.md"


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")]
)
def test_promtool_says_yes(arguments: tuple[str, ...]) -> None:
    promtool = need("promtool", package="prometheus")
    ran = run([promtool, *arguments], directory=DEPLOY)
    assert (ran.code, "SUCCESS" in ran.said) == (0, True), ran.said


def test_every_alert_says_what_to_do_is_made_to_come_and_stands_in_the_docs() -> None:
    rules = yaml.safe_load((DEPLOY / "rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    names = [each["alert"] for each in alerts]
    assert len(set(names)) == len(names) > 15
    expected = (DEPLOY / "rules_test.yml").read_text()
    page = MONITOR.read_text()
    for each in alerts:
        assert set(each["annotations"]) == {"summary", "remedy"}
        assert each["labels"]["severity"] in {"critical", "warning", "info"}
        assert f'alertname="{each["alert"]}"' in expected
        assert f"`{each['alert']}`" in page


def test_no_panel_of_the_board_hides_another_and_all_ask_the_chosen_source() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads(BOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
