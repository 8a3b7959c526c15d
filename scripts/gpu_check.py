"""The work of gpu-check.sh: FOLDER GPUS…, one run of each kind for each of GPUS.

It is the training's program too: tfos calls main_fun.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

ROWS, WIDTH, HIDDEN, BATCH = 20_000, 256, 2048, 512
SECONDS = 22  # of training, after the first step: nvidia-smi is asked twice
EPOCHS = {0: 1, 1: 40}  # of the graph program, by GPUs: some 10 s on a few cores and on a GPU

TRAIN = """\
app: {{python: {{file: {program}, function: main_fun, interpreter: {python}}}}}
strategy: independent
cluster_size: 1
input_mode: tensorflow
input: {{path: {folder}/rows}}
batch_size: {batch}
model_dir: {folder}/train-{gpus}
export_dir: {folder}/export-{gpus}
resources: {{worker: {{gpus: {gpus}}}}}
spark: {{master: "local[1]"}}
"""

INFER = """\
export_dir: {folder}/export-{gpus}
input: {{path: {folder}/rows}}
batch_size: auto
output: {{path: {folder}/predictions-{gpus}}}
tensorflow: {{lib_dir: {libraries}}}
resources: {{worker: {{gpus: {gpus}}}}}
local: true
"""

GRAPH = """\
app: {{graph: {{path: {folder}/graph}}}}
input: {{path: {folder}/rows}}
batch_size: {batch}
epochs: {epochs}
model_dir: {folder}/graph-{gpus}
tensorflow: {{lib_dir: {libraries}}}
resources: {{worker: {{gpus: {gpus}}}}}
local: true
"""

# The members of one all-reduce differ: their collective operations are on CPUs.
TOGETHER = """\
app: {{graph: {{path: {folder}/graph}}}}
strategy: all_reduce
cluster_size: 2
chief: true
input_mode: tensorflow
input: {{path: {folder}/rows}}
batch_size: {batch}
model_dir: {folder}/together-{gpus}
tensorflow: {{lib_dir: {libraries}}}
resources: {{chief: {{gpus: {gpus}}}}}
spark: {{master: "local[2]"}}
"""


def main_fun(args, ctx):
    """Trains for SECONDS and writes rows a second, and the devices that the variables are on."""
    import tensorflow as tf

    model = network(tf)
    optimizer = tf.keras.optimizers.SGD(0.01)
    x = tf.random.normal([BATCH, WIDTH])
    y = tf.random.uniform([BATCH], maxval=10, dtype=tf.int64)
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    float(step())
    steps, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        float(step())
        steps += 1
    rate = steps * BATCH / (time.monotonic() - began)
    device = model.trainable_variables[0].value.device
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, "rate.json"), "w") as out:
        json.dump({"rows_per_s": rate, "device": device}, out)
    model.export(args.export_dir)


def network(tf):
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [tf.keras.Input([WIDTH], name="x")]
        + [layers.Dense(HIDDEN, activation="relu") for _ in range(3)]
        + [layers.Dense(10)]
    )
    model.build([None, WIDTH])
    return model


def export_graph(path):
    import tensorflow as tf
    from tfos.graph import export_training

    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    export_training(network(tf), tf.keras.optimizers.Adam(0.001), loss, str(path))


def write_rows(folder):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    random = np.random.default_rng(1)
    for name in ("a", "b"):  # one for each member of an all-reduce
        values = random.standard_normal([ROWS // 2, WIDTH], np.float32)
        x = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), WIDTH)
        y = pa.array(random.integers(0, 10, ROWS // 2))
        pq.write_table(pa.table({"x": x, "y": y}), folder / f"{name}.parquet")


def run(name, command, text, folder, gpus):
    """The verdict of a tfos job."""
    job = folder / f"{name}-{gpus}.yaml"
    (libraries,) = importlib.util.find_spec("tensorflow").submodule_search_locations
    values = {
        "folder": folder,
        "batch": BATCH,
        "gpus": gpus,
        "libraries": libraries,
        "program": pathlib.Path(__file__).resolve(),
        "python": sys.executable,
        "epochs": EPOCHS[gpus],
    }
    job.write_text(text.format(**values))
    root = pathlib.Path(__file__).resolve().parents[1]
    tfos, spark = root / "bin" / "tfos", str(root / ".venv" / "bin" / "python")
    state = {"TFOS_STATE_DIR": str(folder / "state")}
    env = {**os.environ, "TFOS_PYTHON": spark, "PYSPARK_PYTHON": spark, **state}
    del env["PYTHONPATH"], env["TF_CPP_MIN_LOG_LEVEL"]  # gpu-check.sh's, for this process
    done = subprocess.run(
        [tfos, command, job, "--output", "json"], stdout=subprocess.PIPE, text=True, env=env
    )
    if done.returncode != 0:
        sys.exit(f"gpu-check: {name} with {gpus} GPUs: exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def check_use(name, verdict, gpus):
    """What the report says of the devices; it ends the check unless they have computed."""
    used = verdict.get("gpus", [])
    if len(used) != gpus:
        sys.exit(f"gpu-check: {name}: the verdict has {len(used)} devices, not {gpus}: {used}")
    texts = []
    for one in used:
        busy, memory = one["mean_busy_percent"], one["highest_memory_mib"]
        if busy == 0:
            sys.exit(f"gpu-check: {name}: {one['device']} was never busy")
        texts.append(f"{one['device']}, busy {busy:.0f} %, {memory} MiB (-1: not measured)")
    return ", ".join(texts) or "CPU"


def main():
    folder, counts = pathlib.Path(sys.argv[1]), [int(gpus) for gpus in sys.argv[2:]]
    began = time.monotonic()
    write_rows(folder / "rows")
    made = subprocess.run(
        [sys.executable, __file__, "graph", folder / "graph"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    if made.returncode != 0:
        sys.exit("gpu-check: the graph program cannot be exported")
    print(f"{'':10} {'rows/s':>10}  device", flush=True)
    for gpus in counts:
        done = run("train", "train", TRAIN, folder, gpus)
        trained = json.loads((folder / f"train-{gpus}" / "rate.json").read_text())
        if ("GPU" in trained["device"]) != bool(gpus):
            sys.exit(f"gpu-check: the training with {gpus} GPUs was on {trained['device']}")
        show("train", trained["rows_per_s"], check_use("train", done, gpus))
        done = run("infer", "infer", INFER, folder, gpus)
        if done["infer"]["rows"] != ROWS:
            sys.exit(f"gpu-check: {done['infer']['rows']} of {ROWS} rows were predicted")
        # That its engine computes on the GPU, the member has proved before.
        device = f"{check_use('infer', done, gpus)}; {done['infer']['batch_rows']} rows at a time"
        show("infer", ROWS / done["infer"]["compute_seconds"], device)
        done = run("graph", "train", GRAPH, folder, gpus)
        rate = done["train"]["steps_per_s"] * BATCH
        show("graph", rate, check_use("graph", done, gpus))
    most = max(counts)
    done = run("together", "train", TOGETHER, folder, most)
    rate = done["train"]["steps_per_s"] * BATCH * 2
    show("together", rate, f"chief: {check_use('together', done, most)}; worker: CPU")
    print(f"the check took {time.monotonic() - began:.0f} s")


def show(what, rate, device):
    print(f"{what:10} {rate:10.0f}  {device}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "graph":
        export_graph(sys.argv[2])
    else:
        main()
