"""TensorFlow on Spark executors: the Spark application and what programs import.

Runs in three places, which import nothing of each other:

- on the driver: `driver` (the Spark application), `reservation` (its Go half);
- in Spark's Python workers: `feeder` (rows of a partition to the members);
- in a member's child process: `program` (entry), `context` (`ctx`), `feed` and `replay`
  (rows in), `board` (TensorBoard).

`frames` is what passes between them and tfos-node; docs/protocols.md describes it.
"""

_context = None  # of this process's program


def get_context():
    """The `ctx` of this member, for programs that run as a script (docs/programs.md).

    Raises RuntimeError in a process that tfos did not start.
    """
    if _context is None:
        raise RuntimeError("tfos.get_context(): this process is no member of a tfos run")
    return _context
