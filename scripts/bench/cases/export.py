"""What an export costs beside the copying of its files."""

import functools
import shutil
import time

from case import LIMIT, TFOS, Case, Ratio, Sample, Side
from environments import ROOT
from processes import run

from cases.inference import model

KIND = "large"
MB = 500
TIMES = {"small": 2, "full": 5}  # after the first
MOST = 1.5  # times the time of the copy


def repeated(argv, folder, settings):
    """(cold, [warm]) seconds of a command that makes a folder of the model, again and again.

    argv: called with the model and the folder to make.
    """
    source, made, found = model(KIND), folder / "made", []
    state = {"TFOS_STATE_DIR": str(folder / "state")}
    for _ in range(1 + TIMES[settings.rows]):
        begin = time.perf_counter()
        run(argv(source, made), folder / "log.txt", env=state)
        found.append(time.perf_counter() - begin)
        shutil.rmtree(made)
    return Sample(found[0], found[1:])


def exported(source, made):
    return [ROOT / "bin" / "tfos", "export", source, "--export-dir", made]


def copied(source, made):
    return ["cp", "-r", source, made]


CASES = (
    Case(
        name="export.copy",
        title=f"Export of a SavedModel of {MB} MB",
        row=f"a SavedModel with 10 variables, {MB} MB in all",
        counted="seconds of the whole command; tfos loads the model and runs it once as a proof",
        clock=f"cold: the first run (files may be in the page cache already); warm: "
        f"{TIMES['small']} (small) or {TIMES['full']} (full) more. What was made is deleted "
        "after each.",
        unit="s",
        sides=(
            Side("tfos", TFOS, "tfos export", functools.partial(repeated, exported)),
            Side("copy", LIMIT, "cp -r, not synced", functools.partial(repeated, copied)),
        ),
        ratios=(Ratio(("copy", "warm"), ("tfos", "warm"), bar=round(1 / MOST, 3)),),
    ),
)
