"""Options of several of the articles' commands."""

from __future__ import annotations

from typing import Annotated

import typer

Data = Annotated[str, typer.Option("--data", help="mnist, digits, synthetic:N or clusters:K.")]
