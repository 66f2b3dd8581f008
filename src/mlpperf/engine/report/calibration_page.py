"""What this tracker, and others, can see."""

from __future__ import annotations

from typing import Any

from ..calibrate.show import CALIBRATION_COLUMNS, calibration_rows, series_of, sight, trial_of
from ..calibrate.trials import sights
from ..timing.machine import BUSY
from ..words import count
from . import figures
from .blocks import Page, Plot, Prose, Section, Table, rows
from .draft import Draft, grouped, measured_where, none_yet
from .gather import alike, place_of


def calibration(site: Draft) -> None:
    """What was found of slowdowns that were put into the code."""
    groups = grouped(site.material.kinds["calibrations"], alike)
    sections, verdict = [], "Nobody has asked yet what this tracker can see on this machine."
    for number, found in enumerate(groups.values(), 1):
        table = sights([trial_of(r) for r in found])
        r = found[-1]
        where = place_of(r).machine
        if number == 1:
            alarms = [line.alarms for line in table]
            verdict = (
                f"{sight(table)} {sum(a.hits for a in alarms)} of "
                f"{count(sum(a.of for a in alarms), 'comparison')} raised a false alarm "
                f"(on {where})."
            )
        at = f" at {', '.join(r['cases'])}" if r["cases"] else ""
        crowd = ", while other processes kept the machine busy" if r["busy"] > BUSY else ""
        limit = f", {r['budget']:g} s each" if r["tracker"] == "mlpperf" else ""
        name = f"{r['tracker']}: {series_of(found)} series{at}{limit}{crowd}; {where}"
        blocks: list[Any] = [Prose(sight(table))] if any(t.found.of for t in table) else []
        if any(t.found.of for t in table):
            alt = "Share of injected slowdowns that were found, over their size; as in the table."
            blocks.append(Plot(figures.detection(table), alt))
        blocks.append(
            Table(
                f"{name}: what was found of slowdowns put into the code",
                CALIBRATION_COLUMNS,
                rows(calibration_rows(table)),
                data=site.keep(f"calibration-{number}", found),
            )
        )
        sections.append(Section(name, [*blocks, measured_where(found)]))
    if not sections:
        sections.append(Section("Calibration", [none_yet("`mlpperf calibrate`")]))
    site.pages.append(Page("calibration.html", "Calibration", verdict, sections, "Calibration"))
