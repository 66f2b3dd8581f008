"""The JSON Schemas of what commands print with `--format json`, in docs.

`python tools/schema.py` writes them from the structs of the records.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from mlpperf.engine.compare.causes import CausesRecord
from mlpperf.engine.compare.explanation import Explanation
from mlpperf.engine.compare.whole import WholeComparison

FOLDER = Path(__file__).parents[1] / "docs"
SCHEMAS = {
    "comparison": ("mlpperf compare --format json", WholeComparison),
    "causes": ("mlpperf why --format json", CausesRecord),
    "explanation": ("mlpperf explain --format json", Explanation),
}


def schema(name: str) -> dict[str, Any]:
    """The schema, with what the docstrings have about each field."""
    title, kind = SCHEMAS[name]
    made = msgspec.json.schema(kind)
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
    return {"$schema": dialect, "title": title, **made}


def text(name: str) -> str:
    """The file's content."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for one in SCHEMAS:
        (FOLDER / f"{one}.schema.json").write_text(text(one), encoding="utf-8")
