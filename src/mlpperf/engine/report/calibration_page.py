"""What this tracker, and others, can see."""

from __future__ import annotations

from typing import Any

from ..calibrate.recorded import grouped_for_display, series_of
from ..calibrate.show import CALIBRATION_COLUMNS, calibration_rows, sight
from ..calibrate.trials import sights
from ..machine.machine import BUSY
from ..words import count
from . import figures
from .blocks import Page, Plot, Prose, Section, Table, rows
from .draft import Draft, none_yet
from .gather import where_from


def calibration(site: Draft) -> None:
    """What was found of slowdowns that were put into the code."""
    groups = grouped_for_display(site.material.calibrations)
    sections, verdict = [], "Nobody has asked yet what this tracker can see on this machine."
    for number, found in enumerate(groups, 1):
        table = sights([record.trial for record in found])
        asked = found[-1]
        where = asked.place.machine
        if number == 1:
            alarms = [line.alarms for line in table]
            verdict = (
                f"{sight(table)} {sum(a.hits for a in alarms)} of "
                f"{count(sum(a.of for a in alarms), 'comparison')} raised a false alarm "
                f"(on {where})."
            )
        at = f" at {', '.join(asked.cases)}" if asked.cases else ""
        crowd = ", while other processes kept the machine busy" if asked.busy > BUSY else ""
        limit = f", {asked.budget:g} s each" if asked.tracker == "mlpperf" else ""
        name = f"{asked.tracker}: {series_of(found)} series{at}{limit}{crowd}; {where}"
        blocks: list[Any] = [Prose(sight(table))] if any(t.found.of for t in table) else []
        if sum(t.found.of > 0 for t in table) > 1:  # one size is no curve
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
        sections.append(Section(name, [*blocks, Prose(where_from(asked), quiet=True)]))
    if not sections:
        sections.append(Section("Calibration", [none_yet("`mlpperf calibrate`")]))
    site.pages.append(Page("calibration.html", "Calibration", verdict, sections, "Calibration"))
