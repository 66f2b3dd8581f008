"""The curves of a history as a data frame, by which the pages group and choose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..history.curves import Curve, Points


def frame(found: Sequence[Points], commits: Sequence[str]) -> pd.DataFrame:
    """One row per curve and commit; `commits` are all of the history, in its order.

    Returns
    -------
    DataFrame
        The fields of `Curve`, commit, date, value, low, high, measurements (how many of them there
        are), and curve: a number that the rows of a curve share.
    """
    number = np.repeat(np.arange(len(found)), [len(points) for points in found])
    names = pd.DataFrame([points.curve for points in found], columns=list(Curve._fields))
    types = dict.fromkeys(Curve._fields, "category") | {"threads": "Int32"}
    columns = {
        name: np.concatenate([np.empty(0), *(getattr(points, name) for points in found)])
        for name in ("value", "low", "high", "measurements")
    }
    places = np.concatenate([np.empty(0), *(points.places for points in found)]).astype(np.intp)
    dates = [date for points in found for date in points.dates]
    return (
        names.astype(types)
        .take(number)
        .reset_index(drop=True)
        .assign(
            commit=pd.Categorical.from_codes(places, pd.Index(commits), ordered=True),
            date=pd.to_datetime(pd.Series(dates, dtype=object), utc=True),
            **columns,
            curve=number,
        )
        .astype({"measurements": int})
    )
