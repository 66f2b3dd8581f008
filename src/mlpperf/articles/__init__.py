"""The articles as an extension: hot paths, data, network, clusters, contests and report pages."""

from ..extension import Extension

# Versions of this repository that name no hot paths have these, too.
HOT_PATHS = ("mlpperf.paths:PATHS",)

EXTENSION = Extension(
    interface=1,
    heading="Articles",
    hot_paths=HOT_PATHS,
    commands={
        "data": "mlpperf.articles.data.commands:data",
        "train": "mlpperf.articles.mlp.commands:train",
        "ladder": "mlpperf.articles.peers.commands:ladder",
        "growth": "mlpperf.articles.mlp.commands:growth",
        "keras": "mlpperf.articles.keras.commands:keras",
        "peers": "mlpperf.articles.peers.commands:peers",
        "accuracy": "mlpperf.articles.accuracy.commands:accuracy",
        "clusters": "mlpperf.articles.clusters.commands:clusters",
    },
    checks="mlpperf.articles.checks:CHECKS",
    report="mlpperf.articles.report.content:CONTENT",
    needs=("scipy", "sklearn"),
)
