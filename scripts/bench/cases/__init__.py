"""All cases, in the order of the report."""

from cases import (
    files,
    inference,
    inference_memory,
    inference_paths,
    memory,
    overhead,
    spark_fed,
    training,
)

ALL = (
    *spark_fed.CASES,
    *files.CASES,
    *inference.CASES,
    *inference_paths.CASES,
    *inference_memory.CASES,
    *training.CASES,
    *overhead.CASES,
    *memory.CASES,
)
