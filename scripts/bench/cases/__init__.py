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
    kubernetes,
    memory,
    overhead,
    spark_fed,
    stores,
    training,
    yarn,
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
    *yarn.CASES,
    *kubernetes.CASES,
    *memory.CASES,
)
