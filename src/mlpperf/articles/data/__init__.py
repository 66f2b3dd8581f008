"""The data sets, checked and prepared."""
