"""TensorFlow on Spark executors: the Spark application and what programs import.

Runs in three places, which share no module but `exits`, `frames` and `versions`:

- on the driver: `start` and `driver` (the Spark application), `members` (its Spark job of the
  members), `reservation` (its Go half), `inputs` and `predictions` (what Spark reads and writes);
- in Spark's Python workers: `feeder` (rows of a partition to the members) and `predictor` (and
  their predictions back) over `links`; `decisions` is what `feeder` decides by;
- in a member's child process: `program` (entry), `context` (`ctx`), `board` (TensorBoard);
  rows in: `connection` (chunks) -> `rows` (one pass: batches, steps, shuffle) -> `feed` (once)
  or `replay` (again and again), with `arrays` (Arrow to numpy) and `tensors` (tf.data).

`graph` is a package for authors: a model becomes a graph that trains. No run imports it.

`frames` is what passes between them and tfos-node; docs/protocols.md describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfos.context import Context

_context: Context | None = None  # of this process's program


def get_context() -> Context:
    """The `ctx` of this member, for programs that run as a script (docs/programs.md).

    Raises RuntimeError in a process that tfos did not start.
    """
    if _context is None:
        raise RuntimeError("tfos.get_context(): this process is no member of a tfos run")
    return _context
