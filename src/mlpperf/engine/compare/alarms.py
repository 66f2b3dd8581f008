"""Probabilities that a comparison of equal versions reports a change: at most 1 % in all."""

FALSE_ALARM = 0.008  # by the times of usual calls
MARKS_ALARM = 0.001  # by the times of changed functions
UNEVEN_ALARM = 0.0005  # because some calls take much longer
MEMORY_ALARM = 0.0005
ANY_ALARM = FALSE_ALARM + MARKS_ALARM + UNEVEN_ALARM + MEMORY_ALARM
