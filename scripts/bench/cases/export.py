"""What an export costs beside the copying of its files.

The peer is a copy that is on the disk when it ends, `cp -r` and a sync of the files: an export is
durable before it gets its name. `cp -r` alone, whose files a power failure loses, is measured
beside them.
"""

import functools
import os
import shutil
import time

from case import LIMIT, PEER, TFOS, Case, Ratio, Sample, Side
from environments import ROOT
from processes import run

from cases.inference import model

KIND = "large"
MB = 500
TIMES = {"small": 2, "full": 5}  # after the first
MOST = 1.5  # times the time of the copy that is synced


def repeated(argv, folder, settings):
    """(cold, [warm]) seconds of a command that makes a folder of the model, again and again.

    argv: called with the model and the folder to make.
    """
    source, made, found = model(KIND), folder / "made", []
    state = {"TFOS_STATE_DIR": str(folder / "state")}
    forget(source)
    for _ in range(1 + TIMES[settings.rows]):
        begin = time.perf_counter()
        run(argv(source, made), folder / "log.txt", env=state)
        found.append(time.perf_counter() - begin)
        shutil.rmtree(made)
    return Sample(found[0], found[1:])


def forget(folder):
    """Takes the files of a folder out of the page cache. They must be on a disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fdatasync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def exported(source, made):
    return [ROOT / "bin" / "tfos", "export", source, "--export-dir", made]


def copied(source, made):
    return ["cp", "-r", source, made]


def synced(source, made):
    return ["sh", "-c", 'cp -r "$0" "$1" && find "$1" -exec sync {} +', source, made]


CASES = (
    Case(
        name="export.copy",
        title=f"Export of a SavedModel of {MB} MB",
        row=f"a SavedModel with 10 variables, {MB} MB in all",
        counted="seconds of the whole command; what tfos writes is on the disk when it ends, and "
        "TensorFlow has loaded the model and run it once as a proof",
        clock="cold: the model's files are not in the page cache; warm: they are, "
        f"{TIMES['small']} (small) or {TIMES['full']} (full) times. What was made is deleted "
        "after each.",
        unit="s",
        sides=(
            Side("tfos", TFOS, "tfos export", functools.partial(repeated, exported)),
            Side("synced", PEER, "cp -r, then sync", functools.partial(repeated, synced)),
            Side("copy", LIMIT, "cp -r, not synced", functools.partial(repeated, copied)),
        ),
        ratios=(
            Ratio(("synced", "warm"), ("tfos", "warm"), bar=round(1 / MOST, 3)),
            Ratio(("copy", "warm"), ("tfos", "warm")),
            Ratio(("synced", "cold"), ("tfos", "cold")),
            Ratio(("copy", "cold"), ("tfos", "cold")),
        ),
    ),
)
