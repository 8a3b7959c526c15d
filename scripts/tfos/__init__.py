"""TensorFlow on Spark executors: the Spark application and what programs import.

Runs in three places, which import nothing of each other:

- on the driver: `driver` (the Spark application), `reservation` (its Go half);
- in Spark's Python workers: `feeder` (rows of a partition to the members);
- in a member's child process: `program` (entry), `context` (`ctx`), `feed` (rows in).

`frames` is what passes between them and tfos-node; docs/protocols.md describes it.
"""
