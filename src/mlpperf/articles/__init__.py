"""What the articles need besides their hot paths: data, network, clusters, contests, pages."""

# The address of the articles' hot paths, which a project has that names none of its own.
HOT_PATHS = ("mlpperf.paths:PATHS",)
