"""All cases, in the order of the report."""

from . import files, inference, inference_memory, memory, overhead, spark_fed, training

ALL = (
    *spark_fed.CASES,
    *files.CASES,
    *inference.CASES,
    *inference_memory.CASES,
    *training.CASES,
    *overhead.CASES,
    *memory.CASES,
)
