"""The SPIP's Inception sample: JPEG files decoded in the graph, with a signature and without."""

import subprocess

import numpy as np
import pyarrow.parquet as pq
from harness import PYTHON, ROOT, flags

EXAMPLE = ROOT / "configs" / "examples" / "inception"


def test_inception_with_and_without_a_signature(job, any_master):
    """Inception-v3 on small images is what Python's TensorFlow computes, by both job files;
    with Spark and without."""
    folder = job.folder / "inception"
    make = [PYTHON, EXAMPLE / "make.py", folder, "--images", "11", "--size", "96"]
    subprocess.run(make, check=True, capture_output=True)
    images = pq.read_table(folder / "images")
    want = predicted(folder / "model", images["jpeg"].to_pylist())
    assert np.ptp(want["features"], axis=0).mean() > 0.1  # or anything would be equal to anything

    for file, model, columns in (
        ("signature", "model", ["name", "scores"]),
        ("tensors", "graph", ["name", "features", "scores"]),
    ):
        job.run_id = f"inception-{file}"
        settings = {
            "export_dir": folder / model,
            "input.path": folder / "images",
            "output.path": folder / file,
        }
        where = ["--local"] if file == "tensors" else ["--set", f"spark.master={any_master(1)}"]
        result = job.run("infer", EXAMPLE / f"{file}.yaml", *flags("--set", settings), *where)
        assert result.code == 0, result.stderr
        job.assert_clean()
        found = pq.read_table(folder / file)
        assert found.column_names == columns
        assert found["name"].to_pylist() == images["name"].to_pylist()
        for name in columns[1:]:
            have, least = np.array(found[name].to_pylist()), 1e-3 * want[name].max()
            np.testing.assert_allclose(have, want[name], rtol=0, atol=least)


def predicted(model, jpegs):
    """{output: array} of a SavedModel's signature in Python."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))
    outputs = loaded.signatures["serving_default"](jpeg=tf.constant(jpegs))
    return {name: value.numpy() for name, value in outputs.items()}
