"""The versions that tfos is run with, beside those of requirements.txt.

Each TensorFlow, Python and Spark is in one cell at least, and the oldest meets the newest.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cell:
    """One TensorFlow in one Python, on one Spark."""

    tensorflow: str
    python: str
    spark: str

    @property
    def environment(self):
        """The name of its virtual environment and of its requirements."""
        return f"tensorflow-{self.tensorflow}-python-{self.python}"

    def __str__(self):
        return f"tensorflow-{self.tensorflow}-python-{self.python}-spark-{self.spark}"


CELLS = [
    Cell("2.16.2", "3.10", "3.4.4"),
    Cell("2.16.2", "3.12", "4.3.0"),
    Cell("2.17.1", "3.11", "3.5.9"),
    Cell("2.18.1", "3.12", "4.0.5"),
    Cell("2.19.1", "3.11", "3.4.4"),
    Cell("2.20.0", "3.13", "4.3.0"),
    Cell("2.21.0", "3.10", "3.4.4"),
    Cell("2.21.0", "3.12", "3.5.9"),
    Cell("2.21.0", "3.13", "4.0.5"),
]
