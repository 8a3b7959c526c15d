"""All cases, in the order of the report."""

from cases import (
    export,
    files,
    graph,
    graph_clusters,
    graph_memory,
    inference,
    inference_memory,
    inference_paths,
    memory,
    overhead,
    overhead_clusters,
    spark_fed,
    stores,
    training,
)

ALL = (
    *spark_fed.CASES,
    *files.CASES,
    *inference.CASES,
    *inference_paths.CASES,
    *inference_memory.CASES,
    *training.CASES,
    *graph.CASES,
    *graph_clusters.CASES,
    *graph_memory.CASES,
    *export.CASES,
    *stores.CASES,
    *overhead.CASES,
    *overhead_clusters.CASES,
    *memory.CASES,
)
