"""The arguments of two versions of a hot path."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlpperf.engine.worker.hotpath_suite import arguments


@pytest.mark.parametrize("shared", [True, False])
def test_versions_that_can_share_their_arguments_get_the_same_arrays(shared: bool) -> None:
    def copy() -> Any:
        return SimpleNamespace(inputs=lambda _: (np.ones(4),), prepared=lambda _: (object(),))

    copies = {"base": copy(), "head": copy()}
    give = arguments(copies, ("path", "case", "variant"), shared)
    (base,), (head,) = give()
    assert (base is head) == shared
    assert (give()[1][0] is head) == shared
