"""`tfos convert`, the readers and writers of internal/files on the command line."""

import itertools
import os
import subprocess
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]


class Converter:
    """Converts with bin/tfos. With a store (remote.py) it reads and writes there."""

    binary = ROOT / "bin" / "tfos"

    def __init__(self, store=None):
        self._store, self._numbers = store, itertools.count()
        self._env = {**os.environ, **(store.env if store else {})}

    def start(self, into, source, out, *flags):
        """Runs to the end, with a code and standard error. out is local: what tfos has written to
        the store comes there."""
        source, where = str(source), str(out)
        if self._store:
            name = f"convert-{next(self._numbers)}"
            source = self._store.put(source, f"{name}/{Path(source).name}")
            where = f"{self._store.url}/{name}/out"
        command = [self.binary, "convert", "--to", into, *map(str, flags), source, where]
        done = subprocess.run(command, capture_output=True, text=True, env=self._env)
        if self._store and done.returncode == 0:
            self._store.get(f"{name}/out", out)
        return done

    def __call__(self, into, source, out, *flags):
        done = self.start(into, source, out, *flags)
        assert done.returncode == 0, done.stderr
        return Path(out)

    def table(self, source, out, *flags):
        """What tfos reads of a source, as pyarrow reads it from an Arrow file."""
        folder = self("arrow", source, out, *flags)
        with pa.OSFile(str(folder / "part-00000.arrow")) as file:
            return pa.ipc.open_file(file).read_all()
