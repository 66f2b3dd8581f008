"""The page of calibrations: which slowdowns this tracker, and others, detect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..calibrate import show
from ..calibrate.recorded import grouped_for_display, series_of
from ..calibrate.trials import detection_rates
from ..machine.machine import BUSY
from ..words import count
from . import figures
from .blocks import Page, Plot, Prose, Section
from .draft import Draft, none_yet
from .gather import where_from


def calibration(site: Draft) -> None:
    """Detection and false-alarm rates, a section for each calibration."""
    sections, verdict = [], "This tracker has not been calibrated on this machine."
    for number, records in enumerate(grouped_for_display(site.material.calibrations), 1):
        rates = detection_rates([record.trial for record in records])
        asked = records[-1]
        where = asked.place.machine
        if number == 1:
            alarms = [line.alarms for line in rates]
            verdict = (
                f"{show.detectable(rates)} {sum(a.hits for a in alarms)} of "
                f"{count(sum(a.of for a in alarms), 'comparison')} raised a false alarm "
                f"({where}, {asked.time[:10]})."
            )
        at = f" at {', '.join(asked.cases)}" if asked.cases else ""
        crowd = ", while other processes kept the machine busy" if asked.busy > BUSY else ""
        limit = f", {asked.budget:g} s each" if asked.tracker == "mlpperf" else ""
        name = f"{asked.tracker}: {series_of(records)} benchmarks{at}{limit}{crowd}; {where}"
        blocks: list[Any] = (
            [Prose(show.detectable(rates))] if any(t.detected.of for t in rates) else []
        )
        if sum(t.detected.of > 0 for t in rates) > 1:  # one size is no curve
            alt = "Share of injected slowdowns that were detected, by size; as in the table."
            blocks.append(Plot(figures.detection(rates), alt))
        table = show.calibration(rates, "Rates for slowdowns that were put into the code")
        blocks.append(site.offer(f"calibration-{number}", replace(table, records=records)))
        sections.append(Section(name, [*blocks, Prose(where_from(asked), quiet=True)]))
    empty = not sections
    if empty:
        sections.append(Section("Calibration", [none_yet("`mlpperf calibrate`")]))
    name = "Calibration"
    site.pages.append(Page("calibration.html", name, verdict, sections, name, empty=empty))
