"""Clusters of TensorFlow processes on this machine, as one starts them in terminals: TF_CONFIG."""

import contextlib
import json
import os
import socket
import time

import processes
from case import DidNotRun

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}  # as tfos sets for one core
POLL_SECONDS = 0.1


def run(jobs, argv, folder, serving=(), seconds=processes.SECONDS):
    """Runs a process for each task of a cluster, each with one thread for operations.

    jobs: {job: number of tasks}; argv(task) is a task's command, where task is "worker-0";
    serving: jobs whose processes do not end by themselves; they are killed at the end.
    Output is in folder/<task>.txt. DidNotRun: a process failed, or they last more than seconds.
    Nothing of them is left.
    """
    ports = free_ports(sum(jobs.values()))
    cluster = {
        job: [f"127.0.0.1:{ports.pop()}" for _ in range(count)] for job, count in jobs.items()
    }
    with contextlib.ExitStack() as stack:
        children = {}
        for job, index in tasks(jobs):
            config = {"cluster": cluster, "task": {"type": job, "index": index}}
            log = folder / f"{job}-{index}.txt"
            out = stack.enter_context(open(log, "w"))
            child = processes.start(argv(f"{job}-{index}"), out, environ=environ(config))
            stack.callback(processes.end_group, child)
            children[log] = (child, job in serving)
        wait(children, seconds)


def tasks(jobs):
    """[(job, index)] of all tasks."""
    return [(job, index) for job, count in jobs.items() for index in range(count)]


def environ(config):
    """The environment of a task: this one's, without its settings of TensorFlow."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return {**clean, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "2", "TF_CONFIG": json.dumps(config)}


def wait(children, seconds):
    """Waits for those children that do not serve. children: {log: (process, whether it serves)}.

    DidNotRun: one failed, one that serves ended before the others, or seconds have passed.
    """
    end = time.monotonic() + seconds
    while True:
        codes = {log: child.poll() for log, (child, _) in children.items()}
        if all(serves or codes[log] == 0 for log, (_, serves) in children.items()):
            return
        for log, (_, serves) in children.items():
            if codes[log] or (serves and codes[log] is not None):
                raise processes.failed(codes[log], log)
        if time.monotonic() > end:
            folder = processes.shown(next(iter(children)).parent)
            raise DidNotRun(f"not ended after {seconds} s; see {folder}")
        time.sleep(POLL_SECONDS)


def peers(environment, script, folder, jobs, serving=(), **config):
    """Runs a peer's script as each task: what the tasks that do not serve wrote, by task."""

    def argv(task):
        own = folder / task
        own.mkdir()
        return processes.peer_argv(environment, script, own, **config)

    run(jobs, argv, folder, serving)
    return {
        f"{job}-{index}": processes.peer_result(folder / f"{job}-{index}")
        for job, index in tasks(jobs)
        if job not in serving
    }


def free_ports(count):
    """Ports nobody listens on. TensorFlow takes them a few seconds later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
