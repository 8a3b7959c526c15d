"""The memory that feeding takes, and the bytes that pass through the driver."""

import usage
from case import TFOS, Case, Sample, Side
from jobs import consume

MEMBERS = 2
ROW_BYTES = 3_000
GB = {"small": 2, "full": 20}
PARTITIONS = 64


def tfos(folder, settings):
    """Feeds far more than any process may hold, and watches all processes of the run."""
    rows = GB[settings.rows] * 10**9 // ROW_BYTES
    text = f"repeat(lpad(cast(id as string), 10, '0'), {ROW_BYTES // 10})"
    with usage.watching(folder) as seen:
        verdict = consume(
            folder,
            "count",
            cluster_size=MEMBERS,
            input={"sql": f"SELECT id, {text} AS text FROM range(0, {rows}, 1, {PARTITIONS})"},
            batch_size=256,
        )
    fed = verdict["rows"]["read"] * ROW_BYTES
    driver = ("driver JVM", "driver Python", "tfos-node reserve")
    measured = {
        "fed, MB": fed / 1e6,
        **{f"{kind}, peak MiB": seen.peak(kind) for kind in usage.KINDS},
        **{
            f"{kind}, MiB more at the end than after a quarter": seen.growth(kind)
            for kind in driver
        },
        "read and written by the driver's processes, MB": seen.bytes(driver) / 1e6,
        "of that in percent of what was fed": 100 * seen.bytes(driver) / fed,
    }
    versions = {"pyspark": verdict["spark"]}
    return Sample(seen.peak("tfos-node run"), [], {"versions": versions, "measured": measured})


CASES = (
    Case(
        name="memory",
        title="Memory of a job that feeds more than it can hold",
        row=f"{ROW_BYTES:,} bytes of text and a number, made by Spark, no two alike",
        counted="MiB of the larger of two tfos-node (peak of resident memory); less is better",
        clock="All processes of the run are looked at four times a second; peaks are the kernel's. "
        f"{GB['small']} GB (small) or {GB['full']} GB (full) are fed to {MEMBERS} members.",
        unit="MiB",
        sides=(Side("tfos", TFOS, "feed, count chunks", tfos),),
        ratios=(),
    ),
)
