"""Rows, predictions, commits and checkpoints on remote stores, next to local files."""

import functools
import json
import os
import pathlib
import re
import statistics

import jobs
import passes
import rows
import servers
import usage
from case import LIMIT, TFOS, Case, DidNotRun, Ratio, Sample, Side
from environments import ROOT
from jobs import PROGRAMS
from processes import run, shown

from cases import graph, inference, spark_fed

FED = "floats"
GRAPH = "labelled"
READERS = 4
PARTS = 10_000
MOST_SECONDS = 10  # of a commit of PARTS
RATE = re.compile(r"^BenchmarkCommit/(\w+)\S*\s+1\s+(\d+) ns/op", re.MULTILINE)


# Rows fed to members.


def fed(store, folder, settings, short_circuit=True):
    path = rows.parquet(FED, settings.rows)
    more, before = {}, 0
    if store != "local":
        more = {"path": servers.copied(store, path), "env": servers.environment(short_circuit)}
        before = servers.hdfs_cpu()
    with usage.watching(folder) as seen:
        sample = spark_fed.tfos(FED, "count", folder, settings, **more)
    taken = rows.count(FED, settings.rows) * (passes.FIRST + settings.warm)
    measured = {"CPU of the feed tasks, µs a row": seen.cpu("tfos-node feed") / taken * 1e6}
    if store != "local":
        used = servers.hdfs_cpu() - before
        measured["CPU of HDFS's servers, µs a row"] = used / taken * 1e6
    return Sample(sample.cold, sample.warm, {**sample.notes, "measured": measured})


def counted_by_spark(short_circuit, folder, settings):
    url = servers.copied("hdfs", rows.parquet(FED, settings.rows))
    env = servers.environment(short_circuit)
    return spark_fed.limit(FED, folder, settings, path=url, env=env)


# Rows that a graph program's member reads itself.


def trained(store, folder, settings):
    """A graph program that reads its files with READERS readers."""
    keys = graph.job("mlp", graph.STEPS[settings.rows], settings)
    path = rows.parquet(GRAPH, settings.rows)
    env, before = {}, 0
    if store != "local":
        keys["input"] = {"path": servers.copied(store, path)}
        env = servers.environment()
    if store == "s3":
        before = servers.s3_requests()
    keys |= {"input_mode": "tensorflow", "readers": READERS}
    keys["resources"] = {"worker": {"cores": 1}}
    with usage.watching(folder) as seen:
        verdict, _ = jobs.here(folder, keys, "train", env)
    more = graph.engine_cpu(seen, verdict)
    if store == "s3":
        asked = servers.s3_requests() - before
        size = sum(file.stat().st_size for file in path.iterdir())
        read = size * verdict["train"]["steps"] * graph.BATCH / rows.count(GRAPH, settings.rows)
        more |= {"requests of a GB": asked / (read / 1e9), "GB read": read / 1e9}
    return graph.sample(verdict, 1, {}, **more)


# Predictions.


def predicted(kind, store, folder, settings, short_circuit=True):
    """A model over files, without Spark, from and to a store."""
    path = rows.parquet(inference.KIND, settings.rows)
    keys, env = inference.job(kind, path), {}
    if store != "local":
        env = servers.environment(short_circuit)
        keys["input"] = {"path": servers.copied(store, path)}
        keys["output"] = {"path": f"{servers.folder(store)}/predictions", "if_exists": "replace"}
    rates, times, cpu = [], [], []
    count = rows.count(inference.KIND, settings.rows)
    for i in range(1 + settings.warm):
        own = folder / str(i)
        own.mkdir()
        with usage.watching(own) as seen:
            verdict, seconds = jobs.here(own, keys, "infer", env)
        if verdict["infer"]["rows"] != count:
            raise DidNotRun(f"{verdict['infer']['rows']} rows were predicted of {count}")
        rates.append(count / verdict["infer"]["seconds"])
        times.append(seconds)
        cpu.append(seen.cpu("tfos-engine") / count * 1e6)
    measured = {
        "seconds of the whole command": statistics.median(times[1:]),
        inference.CPU: statistics.median(cpu[1:]),
    }
    return Sample(rates[0], rates[1:], {"measured": measured})


# Commits.


def committed(store, folder, settings):
    """Seconds of a commit of PARTS small files, by a Go benchmark of internal/work."""
    binary = folder / "work.test"
    build = ["go", "test", "-c", "-o", binary, "./internal/work"]
    run(build, folder / "build.txt", env={"CGO_ENABLED": "0"}, cwd=ROOT)
    argv = [binary, "-test.run=^$", f"-test.bench=^BenchmarkCommit$/^{store}$"]
    argv += ["-test.benchtime=1x"]
    env = {**servers.environment(), "TFOS_BENCH_PARTS": str(PARTS)}
    log = folder / "log.txt"
    run(argv, log, env=env, cwd=folder)
    found = {name: int(ns) / 1e9 for name, ns in RATE.findall(log.read_text())}
    if store not in found:
        raise DidNotRun(f"BenchmarkCommit/{store} gave no result; see {shown(log)}")
    measured = {"files": PARTS, "files/s": PARTS / found[store]}
    return Sample(found[store], [], {"measured": measured})


# Checkpoints.

SAVED_MB = {"small": 250, "full": 1_000}
WATCHED = 30  # seconds of the loop after a save
INTERVAL = 60  # seconds from a save to the next


def mirrored(store, alone, folder, settings):
    """Steps/s of a loop on one CPU, after it has saved a checkpoint into model_dir.

    The loop has the first CPU, and the store's server the last one: it stands for another host.
    alone: tfos-node has the loop's CPU only.
    """
    env, model_dir = {}, "model"
    if store != "local":
        env, model_dir = servers.environment(), f"{servers.folder(store)}/model-{os.getpid()}"
        cpus = sorted(os.sched_getaffinity(0))
        server = servers.s3_process()
        pinned(server, cpus[-1])
        used = usage.cpu_seconds(pathlib.Path(f"/proc/{server}"))
    config = {
        "megabytes": SAVED_MB[settings.rows],
        "seconds": WATCHED,
        "interval": INTERVAL,
        "alone": alone,
        "marks": str(folder),
    }
    verdict = jobs.by_tfos(
        folder,
        {
            "app": {
                "python": {"file": PROGRAMS / "save.py", "function": "main_fun", "args": config}
            },
            "strategy": "independent",
            "cluster_size": 1,
            "input_mode": "tensorflow",
            "input": {"path": rows.parquet(GRAPH, settings.rows)},
            "model_dir": model_dir,
        },
        env=env,
    )
    marks = json.loads((folder / "marks.json").read_text())
    measured = {
        "steps/s before the save": marks["before"],
        "s for which the loop waited for its CPU": marks["waited"],
    }
    if store != "local":
        (one,) = verdict["mirrored"]
        used = usage.cpu_seconds(pathlib.Path(f"/proc/{server}")) - used
        if alone:
            share = 100 * marks["node_cpu_after"] / WATCHED
            measured[f"tfos-node's part of the loop's CPU in {WATCHED} s, %"] = share
        measured["upload, s"] = one["seconds"]
        measured["CPU of tfos-node for a GB, s"] = marks["node_cpu"] / one["bytes"] * 1e9
        measured["CPU of S3's server for a GB, s"] = used / one["bytes"] * 1e9
    return Sample(marks["after"], [marks["interval"]], {"measured": measured})


def pinned(pid, cpu):
    """Has all threads of a process run on one CPU."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {cpu})


def side(name, role, what, function, *args, **more):
    return Side(name, role, what, functools.partial(function, *args, **more))


NETWORK = {"short_circuit": False}
SERVERS = (
    "The servers run on the same CPUs. HDFS's clients, tfos and Spark, read blocks from their "
    "files (dfs.client.read.shortcircuit), as clients on a data node's host do. Sides named "
    "network read through the data node"
)

CASES = (
    Case(
        name="stores.fed",
        title="Rows from HDFS, fed to members",
        row=rows.KINDS[FED].row,
        counted=f"rows handed to the programs of {spark_fed.MEMBERS} members, or counted by Spark; "
        f"{rows.count(FED, 'small'):,} (small) or {rows.count(FED, 'full'):,} (full) a pass, from "
        f"parquet files. {SERVERS}",
        clock="As for rows that Spark feeds: a pass is an epoch. cold: the first pass, warm: the "
        "third and later ones.",
        unit="rows/s",
        sides=(
            side("local", TFOS, "local files", fed, "local"),
            side("hdfs", TFOS, "the same files on HDFS", fed, "hdfs"),
            side("hdfs_network", TFOS, "the same by the data node", fed, "hdfs", **NETWORK),
            side("spark_hdfs", LIMIT, "Spark reads HDFS and counts", counted_by_spark, True),
            side("spark_network", LIMIT, "the same by the data node", counted_by_spark, False),
        ),
        ratios=(
            Ratio(("hdfs", "warm"), ("local", "warm"), bar=0.8),
            Ratio(("hdfs", "warm"), ("spark_hdfs", "warm"), bar=3),
            Ratio(("hdfs_network", "warm"), ("local", "warm")),
            Ratio(("hdfs_network", "warm"), ("spark_network", "warm")),
        ),
    ),
    Case(
        name="stores.graph",
        title=f"Rows from stores, read by a graph program with {READERS} readers",
        row=graph.ROW,
        counted=f"rows trained on, {graph.steps_text(graph.STEPS)} steps of the MLP, without "
        "Spark. The servers run on the same CPUs",
        clock=graph.PACE,
        unit="rows/s",
        sides=(
            side("local", TFOS, "local files", trained, "local"),
            side("s3", TFOS, "the same files on S3 (moto)", trained, "s3"),
            side("hdfs", TFOS, "the same files on HDFS", trained, "hdfs"),
        ),
        ratios=(
            Ratio(("s3", "warm"), ("local", "warm"), bar=0.7),
            Ratio(("hdfs", "warm"), ("local", "warm")),
        ),
    ),
    Case(
        name="stores.inference",
        title="Inference from HDFS to HDFS",
        row=inference.ROW,
        counted=f"rows whose predictions are written; {inference.ROWS}; tfos infer --local. The "
        f"MLP takes little CPU for a row; the CNN takes more, as most models do. {SERVERS}",
        clock="From the first row read to the last prediction written, without the loading of the "
        "model. cold: the first run, warm: the later ones.",
        unit="rows/s",
        sides=(
            side("local", TFOS, "MLP, local files to local files", predicted, "mlp", "local"),
            side("hdfs", TFOS, "MLP, HDFS to HDFS", predicted, "mlp", "hdfs"),
            side("network", TFOS, "MLP, by the data node", predicted, "mlp", "hdfs", **NETWORK),
            side("cnn_local", TFOS, "CNN, local files to local files", predicted, "cnn", "local"),
            side("cnn_hdfs", TFOS, "CNN, HDFS to HDFS", predicted, "cnn", "hdfs"),
        ),
        ratios=(
            Ratio(("hdfs", "warm"), ("local", "warm"), bar=0.8),
            Ratio(("network", "warm"), ("local", "warm")),
            Ratio(("cnn_hdfs", "warm"), ("cnn_local", "warm"), bar=0.8),
        ),
    ),
    Case(
        name="stores.commit",
        title=f"Commit of {PARTS:,} files",
        row="a file of 6 bytes",
        counted=f"seconds from the last part to _SUCCESS, at most {MOST_SECONDS} are wanted. "
        f"{PARTS:,} files, small and full",
        clock="The commit of an inference job (internal/work), with its checks and its manifest. "
        "The files were written before. cold is the only figure.",
        unit="s",
        sides=(
            side("hdfs", TFOS, "a rename", committed, "hdfs"),
            side("s3", TFOS, "files stay where they are (moto)", committed, "s3"),
            side("gcs", TFOS, "files stay where they are (fake-gcs-server)", committed, "gcs"),
            side("azure", TFOS, "files stay where they are (azurite)", committed, "azure"),
        ),
        ratios=(),
    ),
    Case(
        name="stores.mirror",
        title="A training loop whose model_dir is on S3",
        row="a product of two matrices, with one thread",
        counted=f"steps/s after a checkpoint of {SAVED_MB['small']} (small) or "
        f"{SAVED_MB['full']:,} MB (full) was saved",
        clock=f"cold: the {WATCHED} s after the save. warm: the {INTERVAL} s after it, as of a "
        "loop that saves so often. The loop has one CPU. S3's server (moto) has another one, "
        "because it stands for another host.",
        unit="steps/s",
        sides=(
            side("local", TFOS, "a local model_dir", mirrored, "local", False),
            side("s3", TFOS, "model_dir on S3; tfos-node has both CPUs", mirrored, "s3", False),
            side("alone", TFOS, "the same; tfos-node has the loop's CPU", mirrored, "s3", True),
        ),
        ratios=(
            Ratio(("s3", "cold"), ("local", "cold"), bar=0.97),
            Ratio(("alone", "cold"), ("local", "cold"), bar=0.97),
            Ratio(("s3", "warm"), ("local", "warm")),
            Ratio(("alone", "warm"), ("local", "warm")),
        ),
    ),
)
