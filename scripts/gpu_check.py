"""The work of gpu-check.sh: FOLDER GPUS…, one training and one inference for each of GPUS.

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
SECONDS = 20  # of training, after the first step

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
batch_size: {batch}
output: {{path: {folder}/predictions-{gpus}}}
tensorflow: {{lib_dir: {libraries}}}
resources: {{worker: {{gpus: {gpus}}}}}
local: true
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


def write_rows(folder):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    values = np.random.default_rng(1).standard_normal([ROWS, WIDTH], np.float32)
    x = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), WIDTH)
    pq.write_table(pa.table({"x": x}), folder / "part.parquet")


def run(command, text, folder, gpus):
    """The verdict of a tfos job."""
    job = folder / f"{command}-{gpus}.yaml"
    (libraries,) = importlib.util.find_spec("tensorflow").submodule_search_locations
    values = {"folder": folder, "batch": BATCH, "gpus": gpus, "libraries": libraries}
    job.write_text(
        text.format(program=pathlib.Path(__file__).resolve(), python=sys.executable, **values)
    )
    root = pathlib.Path(__file__).resolve().parents[1]
    tfos, spark = root / "bin" / "tfos", str(root / ".venv" / "bin" / "python")
    state = {"TFOS_STATE_DIR": str(folder / "state")}
    env = {**os.environ, "TFOS_PYTHON": spark, "PYSPARK_PYTHON": spark, **state}
    done = subprocess.run(
        [tfos, command, job, "--output", "json"], stdout=subprocess.PIPE, text=True, env=env
    )
    if done.returncode != 0:
        sys.exit(f"gpu-check: tfos {command} with {gpus} GPUs: exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    folder = pathlib.Path(sys.argv[1])
    write_rows(folder / "rows")
    print(f"{'':10} {'rows/s':>10}  device")
    for gpus in map(int, sys.argv[2:]):
        run("train", TRAIN, folder, gpus)
        trained = json.loads((folder / f"train-{gpus}" / "rate.json").read_text())
        show("train", trained["rows_per_s"], trained["device"])
        if ("GPU" in trained["device"]) != bool(gpus):
            sys.exit(f"gpu-check: the training with {gpus} GPUs was on {trained['device']}")
        done = run("infer", INFER, folder, gpus)["infer"]
        if done["rows"] != ROWS:
            sys.exit(f"gpu-check: {done['rows']} of {ROWS} rows were predicted")
        # That its engine computes on the GPU, the member has proved before.
        show("infer", done["rows"] / done["seconds"], f"{gpus} GPUs")


def show(what, rate, device):
    print(f"{what:10} {rate:10.0f}  {device}", flush=True)


if __name__ == "__main__":
    main()
