"""Starts a program of two workers, by hand or by tfos, and waits for its end."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(__file__).parent / "programs"
SECONDS = 600  # a bound on one run by hand; a job has its own (timeouts.stall)

JOB = """\
app: {{python: {{file: {program}, args: {args}}}}}
strategy: {strategy}
cluster_size: 2
input_mode: tensorflow
model_dir: out
{more}
"""


class RunFailed(Exception):
    """A run of the benchmark did not end well."""


def by_hand(folder, program, args, threads):
    """Two processes with TF_CONFIG, as one starts them in two terminals.

    They write to folder/out. threads: what of tfos's environment of a program decides how
    many threads TensorFlow has.
    """
    (folder / "out").mkdir()
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    workers = []
    try:
        for index in range(2):
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            with open(folder / f"worker-{index}.log", "w") as log:
                workers.append(
                    subprocess.Popen(
                        [sys.executable, PROGRAMS / program, folder / "out", *map(str, args)],
                        env={**clean, **threads, "TF_CONFIG": json.dumps(config)},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                    )
                )
        deadline = time.monotonic() + SECONDS
        for index, worker in enumerate(workers):
            if worker.wait(deadline - time.monotonic()) != 0:
                raise RunFailed(
                    f"by hand: worker {index} ended with {worker.returncode}: see {folder}"
                )
    except subprocess.TimeoutExpired:
        raise RunFailed(f"by hand: not ended after {SECONDS} s: see {folder}") from None
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def free_ports(count):
    """Ports nobody listens on. TensorFlow takes them a few seconds later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def by_tfos(folder, program, args, strategy="all_reduce", more=""):
    """bin/tfos train with the default master; the program gets folder/out as its first argument.

    Returns the verdict, and [(time.time(), line)] of standard error, as the lines came.
    """
    job = folder / "job.yaml"
    argv = json.dumps(["{model_dir}", *map(str, args)])
    job.write_text(JOB.format(program=PROGRAMS / program, args=argv, strategy=strategy, more=more))
    (folder / "out").mkdir()
    child = subprocess.Popen(
        [ROOT / "bin" / "tfos", "train", job, "--output", "json"],
        env={**os.environ, "TFOS_STATE_DIR": str(folder / "state"), "TFOS_PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [(time.time(), line.rstrip()) for line in child.stderr]
        text = child.stdout.read()
        child.wait()
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait()
    try:
        verdict = json.loads(text)
    except ValueError as err:
        last = " | ".join(line for _, line in lines[-3:])
        raise RunFailed(f"tfos: no verdict, exit {child.returncode}: {last}: see {folder}") from err
    if verdict["code"] != 0:
        raise RunFailed(f"tfos: exit {verdict['code']}: {verdict['cause']}: see {folder}")
    return verdict, lines
