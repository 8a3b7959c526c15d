"""A script that takes its rows and does nothing: `nothing.py FOLDER EXPORT_DIR`.

It writes FOLDER/worker-<index>.json with the times of its begin and its end, and the least
that counts as an export, so that there is something to commit.
"""

import json
import os
import pathlib
import sys
import time

begin = time.time()

import tfos  # noqa: E402 its import is in the time

context = tfos.get_context()
while context.next_batch(10) is not None:
    pass
folder, export = map(pathlib.Path, sys.argv[1:])
export.mkdir(parents=True, exist_ok=True)
(export / "saved_model.pb").write_bytes(b"")
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
folder.mkdir(parents=True, exist_ok=True)
times = {"begin": begin, "end": time.time()}
(folder / f"worker-{index}.json").write_text(json.dumps(times))
