"""`tfos convert`, the readers and writers of internal/files on the command line."""

import subprocess
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]


class Converter:
    """Converts with bin/tfos."""

    binary = ROOT / "bin" / "tfos"

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
