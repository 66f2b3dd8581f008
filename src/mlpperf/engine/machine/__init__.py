"""The machine that measures: processors, limits, clock, and the settings in force."""
