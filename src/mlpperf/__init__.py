"""Finds performance regressions: times two versions of a project side by side.

Importing the package loads nothing heavy: NumPy, SciPy, scikit-learn and TensorFlow are loaded by
the modules that use them, because thread counts have to be set before that happens.
"""

__version__ = "0.1.0"
