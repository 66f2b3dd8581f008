"""What runs in the process, and in the environment, of the project that is measured.

It imports nothing but the standard library, and what the project's own suite needs anyway (pytest
and greenlet, or asv_runner), works on Python 3.9 and newer, and is loaded under a name of its own:
nothing else of this package is there.
"""
