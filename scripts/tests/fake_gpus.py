"""A machine with GPUs that are not there: nvidia-smi, Spark's discovery, TensorFlow's answer.

There is no GPU where these tests run. What is real: Spark's assignment, the locks, the members.
"""

import uuid

SMI = """\
#!/bin/sh
case $1 in
-L) cat {bin}/list ;;
--query-gpu=*) cat {bin}/facts ;;
esac
"""

# Each worker of Spark that asks gets the next device, by nvidia-smi's index.
DISCOVERY = """\
#!/bin/sh
i=0
while ! mkdir {bin}/given-$i 2>/dev/null; do i=$((i + 1)); done
echo "{{\\"name\\": \\"gpu\\", \\"addresses\\": [\\"$i\\"]}}"
"""

# A Python whose TensorFlow computes on all devices that CUDA_VISIBLE_DEVICES names. Machine.hang
# has it hang on the first one.
INTERPRETER = """\
#!/bin/sh
if [ "$2" != tfos.gpus ]; then exec {python} "$@"; fi
exec {python} -S -c '
import json, os, time
seen = {{"tensorflow": "2.19.1", "package": "tensorflow"}}
print(json.dumps(seen | {{"next": "import"}}), flush=True)
if os.path.exists("{bin}/hangs"):
    print(json.dumps(seen | {{"next": "compute"}}), flush=True)
    time.sleep(600)
ids = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
devices = [{{"name": f"/device:GPU:{{i}}", "bus": ""}} for i, _ in enumerate(ids)]
print(json.dumps(seen | {{"cuda": True, "devices": devices}}))'
"""


class Machine:
    """count devices in folder bin; ids are their UUIDs."""

    def __init__(self, bin, count, python):
        bin.mkdir(parents=True, exist_ok=True)
        self.bin = bin
        self.ids = [f"GPU-{uuid.uuid4()}" for _ in range(count)]
        lines = [f"GPU {i}: Fake Device 2000 (UUID: {id})\n" for i, id in enumerate(self.ids)]
        facts = [
            f"{id}, 00000000:{i:02X}:00.0, 555.42, 10000, 9000, 50, [N/A], 1000\n"
            for i, id in enumerate(self.ids)
        ]
        (bin / "list").write_text("".join(lines))
        (bin / "facts").write_text("".join(facts))
        self.smi = self._script("nvidia-smi", SMI, python)
        self.discovery = self._script("discovery", DISCOVERY, python)
        self.interpreter = self._script("interpreter", INTERPRETER, python)

    def _script(self, name, text, python):
        path = self.bin / name
        path.write_text(text.format(bin=self.bin, python=python))
        path.chmod(0o755)
        return path

    def hang(self):
        (self.bin / "hangs").touch()

    def path(self, path):
        """PATH with nvidia-smi."""
        return f"{self.bin}:{path}"
