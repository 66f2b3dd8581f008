"""What the tests of the articles share."""

import pytest

from mlpperf.engine.machine import ceilings


@pytest.fixture
def known_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate of matrix products is given, because it takes seconds to measure."""
    floor = ceilings.Floor(1e-6, 0.01)
    monkeypatch.setattr(ceilings, "product_floor", lambda *product: floor)
