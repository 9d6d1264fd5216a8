"""Writes deploy/grafana/dashboards/*.json from deploy/grafana/dashboards.yaml: `make dashboards`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "grafana"
COLUMNS = 24  # Grafana's grid
HEIGHT = 8
SOURCES = {"traces": ("tempo", "tempo"), "logs": ("loki", "loki")}


def main() -> None:
    """Write every dashboard."""
    for name, text in dashboards(FOLDER / "dashboards.yaml").items():
        (FOLDER / "dashboards" / name).write_text(text, "utf-8")


def dashboards(path: Path) -> dict[str, str]:
    """File name and JSON text of every dashboard that the YAML file describes."""
    described = yaml.safe_load(path.read_text("utf-8"))
    return {f"{board['uid']}.json": json.dumps(_board(board), indent=1) + "\n" for board in described}


def _board(board: Mapping[str, Any]) -> dict[str, Any]:
    choices = [_choice(name, query) for name, query in board.get("variables", {}).items()]
    texts = [
        {"name": name, "label": label, "type": "textbox"} for name, label in board.get("texts", {}).items()
    ]
    return {
        "uid": board["uid"],
        "title": board["title"],
        "description": board["about"],
        "tags": ["ovr"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["ovr"], "title": "OVR-ALPR", "asDropdown": True}],
        "templating": {"list": choices + texts},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_panels(board["rows"]), 1)],
    }


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows and their panels, left to right: at most four in a line, six where they are low."""
    top = 0
    for row in rows:
        yield {"type": "row", "title": row["title"], "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}
        top += 1
        panels, height = row["panels"], row.get("height", HEIGHT)
        across = min(len(panels), 6 if height < 6 else 3)
        for number, panel in enumerate(panels):
            line, place = divmod(number, across)
            width = COLUMNS // across
            yield _panel(panel, {"x": place * width, "y": top + line * height, "w": width, "h": height})
        top += height * -(-len(panels) // across)


def _panel(panel: Mapping[str, Any], place: Mapping[str, int]) -> dict[str, Any]:
    kind = panel.get("kind", "timeseries")
    source, uid = SOURCES.get(kind, ("prometheus", "prometheus"))
    defaults: dict[str, Any] = {"unit": panel.get("unit", "short")}
    if "none" in panel:
        defaults["noValue"] = panel["none"]
    queries = [
        {"refId": chr(ord("A") + number), **_query(kind, legend, expression, panel.get("exemplars", False))}
        for number, (legend, expression) in enumerate(panel["queries"].items())
    ]
    return {
        "type": "table" if kind == "traces" else kind,
        "title": panel["title"],
        "datasource": {"type": source, "uid": uid},
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": queries,
    }


def _query(kind: str, legend: str, expression: str, exemplars: bool) -> dict[str, Any]:
    if kind == "traces":
        return {"queryType": "traceql", "query": expression, "limit": 50, "tableType": "traces"}
    if kind == "logs":
        return {"expr": expression}
    table = {"instant": True, "format": "table"} if kind == "table" else {}
    return {"expr": expression, "legendFormat": legend or "__auto", "exemplar": exemplars, **table}


if __name__ == "__main__":
    main()
