"""Reading files: tfos's readers, tf.data and pyarrow on the same files and as many CPUs."""

import functools
import os
import re

import passes
import rows
from case import LIMIT, PEER, TFOS, Case, DidNotRun, Ratio, Sample, Side
from environments import ROOT
from processes import peer, run, shown

KIND = "floats"
BATCH = 256  # rows that tf.data parses at once
CLOCK = (
    "A pass reads and parses every file, from the page cache. cold: the first pass of a process. "
    "The second pass is not counted. warm: the later passes. A process is pinned to as many CPUs "
    "as it has reading threads, its garbage collection and its main thread included."
)


def tfrecord(size, compression=""):
    """A folder of TFRecord files with the rows of the parquet folder, written by TensorFlow."""
    source = rows.parquet(KIND, size)

    def write(folder):
        peer(
            "tensorflow",
            "write_tfrecord.py",
            folder,
            path=str(source),
            out=str(folder),
            compression=compression,
        )

    return rows.made(f"{KIND}-{rows.count(KIND, size)}.tfrecord{compression.lower()}", write)


def go_benchmark(name, variable, path, threads, folder, settings):
    """Passes of a Go benchmark of internal/files, one a result line."""
    binary = folder / "files.test"
    build = ["go", "test", "-c", "-o", binary, "./internal/files"]
    run(build, folder / "build.txt", env={"CGO_ENABLED": "0"}, cwd=ROOT)
    count = passes.FIRST + settings.warm
    argv = [binary, "-test.run=^$", f"-test.bench=^{name}$"]
    env = {variable: str(path(settings.rows)), "TFOS_BENCH_THREADS": str(threads)}
    log = folder / "log.txt"
    argv += ["-test.benchtime=1x", f"-test.count={count}"]
    run(argv, log, env=env, cpus=threads, cwd=folder)
    found = go_rates(log.read_text())
    if len(found) != count:
        raise DidNotRun(f"{name} gave {len(found)} results of {count}; see {shown(log)}")
    versions = {"go": go_version(folder)}
    return Sample(*passes.counted(found), {"versions": versions, "threads": threads})


def go_rates(text):
    """The rows/s of each result line of a Go benchmark."""
    return [float(x) for x in re.findall(r"^Benchmark.*?\s([\d.e+]+) rows/s", text, re.MULTILINE)]


def go_version(folder):
    log = folder / "go.txt"
    run(["go", "env", "GOVERSION"], log, cwd=ROOT)
    return log.read_text().strip().removeprefix("go")


def script(environment, name, path, threads, folder, settings, **config):
    """Passes of a peer's script."""
    found = peer(
        environment,
        name,
        folder,
        cpus=threads,
        path=str(path(settings.rows)),
        rows=rows.count(KIND, settings.rows),
        threads=threads,
        batch=BATCH,
        passes=passes.FIRST + settings.warm,
        **config,
    )
    notes = {"versions": found["versions"], "threads": threads}
    return Sample(*passes.counted(found["rates"]), notes)


def parquet(size):
    return rows.parquet(KIND, size)


def parquet_glob(size):
    return parquet(size) / "*.parquet"


def tfrecord_case(name, title, compression, bars):
    def folder(size):
        return tfrecord(size, compression)

    def glob(size):
        return folder(size) / "*.tfrecord"

    return case(
        name,
        title,
        "rows read, checked (CRC) and parsed into columns",
        [
            (
                "tfos",
                TFOS,
                "internal/files into Arrow records",
                (go_benchmark, "BenchmarkTFRecordRead", "TFOS_BENCH_TFRECORD", glob),
            ),
            (
                "tf.data",
                PEER,
                f"TFRecordDataset, batch({BATCH}), parse_example",
                (
                    functools.partial(script, compression=compression),
                    "tensorflow",
                    "tf_data.py",
                    folder,
                ),
            ),
        ],
        {"tf.data": bars},
    )


def threads_known():
    """1, and 2 where the machine has them."""
    return (1, 2) if len(os.sched_getaffinity(0)) > 1 else (1,)


def case(name, title, counted, readers, bars):
    """readers: [(name, role, what, function)], each a side for every number of threads."""
    return Case(
        name=f"files.{name}",
        title=title,
        row=rows.KINDS[KIND].row,
        counted=f"{counted}; {rows.count(KIND, 'small'):,} (small) or "
        f"{rows.count(KIND, 'full'):,} (full) rows in {rows.FILES} files",
        clock=CLOCK,
        unit="rows/s",
        sides=tuple(
            Side(
                f"{side}_{n}",
                role,
                f"{what}, {n} thread{'s' * (n > 1)}",
                functools.partial(*call, n),
            )
            for n in threads_known()
            for side, role, what, call in readers
        ),
        ratios=tuple(
            Ratio((f"tfos_{n}", "warm"), (f"{other}_{n}", "warm"), **bar)
            for n in threads_known()
            for other, bar in bars.items()
        ),
    )


CASES = (
    tfrecord_case("tfrecord", "TFRecord: read and parse tf.Example", "", {"bar": 1.0}),
    tfrecord_case(
        "tfrecord_gzip", "TFRecord, gzip: read and parse tf.Example", "GZIP", {"bar": 1.0}
    ),
    case(
        "parquet",
        "Parquet: read list<float>",
        "rows read into Arrow (petastorm: numpy) columns",
        [
            (
                "tfos",
                TFOS,
                "internal/files into Arrow records",
                (go_benchmark, "BenchmarkParquetRead", "TFOS_BENCH_PARQUET", parquet_glob),
            ),
            (
                "pyarrow",
                LIMIT,
                "pyarrow.parquet.read_table, a file a thread",
                (script, "tensorflow", "read_parquet.py", parquet),
            ),
            (
                "petastorm",
                PEER,
                "petastorm.make_batch_reader",
                (script, "petastorm", "petastorm_read.py", parquet),
            ),
        ],
        {"pyarrow": {"bar": 0.5, "goal": 0.8}, "petastorm": {}},
    ),
)
