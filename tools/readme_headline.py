"""The short table at the top: the most important figures of one machine, measured on one day."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mlpperf.articles.mlp import show_ladder
from mlpperf.articles.mlp.records import RungRecord
from mlpperf.articles.mlp.show_ladder import ratio
from mlpperf.articles.peers import show as peers_show
from mlpperf.articles.peers.records import PeerRecord
from mlpperf.engine.calibrate.recorded import grouped_for_display
from mlpperf.engine.calibrate.trials import Rate, detection_rates
from mlpperf.engine.history.fields import Bounds, known
from mlpperf.engine.history.records import Origin
from mlpperf.engine.machine.machine import BUSY
from readme_tables import AnyOrigin, lines, machine, markdown, records, where
from readme_tracker import calibrations, is_elsewhere

COLUMNS = ("what", "figure", "95 % interval")
SIZES = (0.01, 0.02, 0.03)
BATCH = 500


def headline(folder: Path) -> str:
    """Rates of the tracker, then the ladder and the fastest peer, as far as they go together.

    The newest calibration of all hot paths on an idle machine fixes the machine and the day. What
    was measured elsewhere, or on another day, is left out.
    """
    every = calibrations(folder)
    groups = [
        group
        for group in grouped_for_display([record for record in every if not is_elsewhere(record)])
        if group[-1].tracker == "mlpperf" and not group[-1].cases and group[-1].busy <= BUSY
    ]
    last = max((group[-1] for group in groups), key=lambda record: record.time)
    rows: list[tuple[str, str, str]] = []
    used: list[Origin] = []

    def together(every: list[AnyOrigin]) -> list[AnyOrigin]:
        """Those of this machine and this day."""
        kept = []
        for record in every:
            origin = msgspec.convert(record, Origin) if isinstance(record, dict) else record
            if machine(origin) == machine(last) and origin.time[:10] == last.time[:10]:
                kept.append(record)
                used.append(origin)
        return kept

    equal = [
        bool(record.unrelated)
        for record in together([c for c in every if c.tracker == "mlpperf" and not c.size])
    ]
    same = together([r for r in lines(folder, "gauntlet") if r["kind"] == "same"])
    equal += [bool(record["slower"] or record["faster"]) for record in same]
    if equal:
        what = "comparisons of equal code that raised a false alarm"
        if projects := {record["project"] for record in same}:
            what += f", in this project and {len(projects)} public ones"
        rows.append((what, *_rate(Rate(sum(equal), len(equal)))))
    (group,) = [group for group in groups if group[-1] is last]
    for line in detection_rates([record.trial for record in together(group)]):
        if line.size in SIZES:
            what = f"planted slowdowns of {100 * line.size:g} % that `compare` detected"
            rows.append((what, *_rate(line.detected)))
    ladder = show_ladder.by_batch(records(folder, RungRecord)).get(BATCH, [])
    for rung in together([rung for rung in ladder if not rung.stopped][-1:]):
        what = f"the articles' first training program ÷ the last rung, batch {BATCH}"
        rows.append((what, ratio(rung.total_gain), _bounds(rung.total_gain)))
    contests = peers_show.contests(records(folder, PeerRecord), ("device", "batch_size"))
    contest = together([p for p in contests.get(("cpu", BATCH), []) if p.seconds.median])
    rivals = [p for p in contest if p.peer != "last_rung"]
    if rivals:
        peer = min(rivals, key=lambda p: known(p.seconds.median))
        what = f"the fastest other library, {peer.peer}, ÷ the last rung, batch {BATCH}"
        rows.append((what, ratio(peer.over_last_rung), _bounds(peer.over_last_rung)))
    return f"{markdown(COLUMNS, rows, left=1)}\n\n{where(*used)}"


def _rate(rate: Rate) -> tuple[str, str]:
    low, high = rate.bounds
    return f"{rate.hits} of {rate.of}", f"{100 * low:.0f}–{100 * high:.0f} %"


def _bounds(interval: Bounds) -> str:
    low, high = known(interval.low), known(interval.high)
    return f"{low:.3g}–{high:.3g}×"
