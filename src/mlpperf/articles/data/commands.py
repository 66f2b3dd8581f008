"""The command `data`, and the option of others that names a data set."""

from __future__ import annotations

from typing import Annotated

import typer

Data = Annotated[str, typer.Option("--data", help="mnist, digits, synthetic:N or clusters:K.")]


def data(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="mnist, digits or synthetic:N.")
    ] = "mnist",
) -> None:
    """Download a data set, check it, and show its size."""
    from .datasets import load
    from .mnist_files import cache_folder

    loaded = load(name, progress=True)
    where = f" from {cache_folder()}" if name == "mnist" else ""
    typer.echo(
        f"{loaded.name}{where}: {len(loaded.train_images):,} training and "
        f"{len(loaded.test_images):,} test images of {loaded.train_images.shape[1]} pixels."
    )
