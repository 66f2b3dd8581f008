"""The JSON Schema of `mlpperf compare --format json`: docs/comparison.schema.json.

`python tools/schema.py` writes it from the structs of the record.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from mlpperf.engine.compare.whole import WholeComparison

FILE = Path(__file__).parents[1] / "docs" / "comparison.schema.json"


def schema() -> dict[str, Any]:
    """The schema, with what the docstrings have about each field."""
    made = msgspec.json.schema(WholeComparison)
    for definition in made["$defs"].values():
        text = definition.pop("description", "")
        summary, _, rest = re.sub(r"\n +", "\n", text).partition("\n")
        definition["description"] = summary
        attributes = rest.partition("Attributes\n----------\n")[2]
        listed = re.findall(r"^([\w, ]+) : (.*(?:\n(?![\w, ]+ : ).*)*)", attributes, re.MULTILINE)
        meanings = {
            name: " ".join(meaning.split())
            for names, meaning in listed
            for name in names.split(", ")
        }
        for name, field in definition.get("properties", {}).items():
            if name in meanings:
                field["description"] = meanings[name]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "mlpperf compare --format json", **made}


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
