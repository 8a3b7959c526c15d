"""`tfos convert`, the readers and writers of internal/files on the command line."""

import os
import subprocess
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]


class Converter:
    """Builds tfos into a folder and converts with it."""

    def __init__(self, folder):
        self.binary = Path(folder) / "tfos"
        command = ["go", "build", "-o", str(self.binary), "./cmd/tfos"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)

    def __call__(self, into, source, out, *flags):
        command = [self.binary, "convert", "--to", into, *map(str, flags), str(source), str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return Path(out)

    def table(self, source, out, *flags):
        """What tfos reads of a source, as pyarrow reads it from an Arrow file."""
        folder = self("arrow", source, out, *flags)
        with pa.OSFile(str(folder / "part-00000.arrow")) as file:
            return pa.ipc.open_file(file).read_all()
