"""Rates of passes over the same rows, from times. A pass is an epoch of a feed or a query."""

import itertools

FIRST = 2  # passes before the warm ones: the cold one, and one that is not counted


def counted(rates):
    """(cold, [warm]) of the rates of all passes of a process."""
    return rates[0], rates[FIRST:]


def of_jobs(jobs, rows):
    """(cold, [warm]) in rows/s of passes that are Spark jobs: [(begin, end)].

    The first from its begin to its end, the others from the end of the one before, as epochs
    of a feed are: what Spark does between two jobs is part of the second.
    """
    ends = [end for _, end in jobs]
    times = [ends[0] - jobs[0][0], *(b - a for a, b in itertools.pairwise(ends))]
    return counted([rows / seconds for seconds in times])


def of_marks(begin, marks, rows, passes, held):
    """(cold, [warm]) in rows/s of what several workers took.

    begin   when the first pass's Spark job was submitted
    marks   of each worker: [(time, its rows so far)]
    rows    of one pass, all workers together
    held    rows that workers may hold back at the end of a pass, because batches cross it:
            a pass counts as over when all but so many of its rows were handed out
    """
    merged = merge(marks)
    ends = [_first(merged, rows * (i + 1) - held) for i in range(passes)]
    at = [(begin, 0), *ends]
    return counted([(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(at)])


def merge(marks):
    """[(time, rows of all workers so far)] from [(time, rows so far)] of each."""
    steps = []
    for worker in marks:
        before = 0
        for time, rows in worker:
            steps.append((time, rows - before))
            before = rows
    total, merged = 0, []
    for time, rows in sorted(steps):
        total += rows
        merged.append((time, total))
    return merged


def _first(merged, rows):
    """The first mark with at least so many rows."""
    for mark in merged:
        if mark[1] >= rows:
            return mark
    last = merged[-1][1] if merged else 0
    raise ValueError(f"{last} rows were handed out, of {rows}")
