"""How a migrated database is compared with the tables."""

from __future__ import annotations

from typing import Any


def of_dialect(name: str) -> dict[str, Any]:
    """Alembic's options: types too, and without the indexes that only another database has."""

    def is_there(item: Any, _name: str | None, kind: str, *_: Any) -> bool:
        only = item._ddl_if if kind == "index" else None
        return only is None or only.dialect == name

    return {"compare_type": True, "include_object": is_there}
