"""What the figures depend on: the machine, its load, and what was measured."""

import datetime
import os
import pathlib
import platform
import subprocess

from environments import ROOT


def describe():
    """CPU model, CPUs that may be used, memory in GiB, kernel."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
    }


def tfos():
    """Version and commit of what is measured as tfos."""
    version = subprocess.run([ROOT / "bin" / "tfos", "version"], capture_output=True, text=True)
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return {"version": version.stdout.split("\n")[0], "commit": commit.stdout.strip()}


def load():
    """Processes that ran or wanted to, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _field(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
