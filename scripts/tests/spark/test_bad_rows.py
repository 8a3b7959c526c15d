"""Bad rows of an inference: put aside with what was wrong, or too many for the job."""

import json
import os
import subprocess

import numpy as np
import pyarrow.parquet as pq
from harness import PYTHON

MODEL = """\
import sys, tensorflow as tf
class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x"),
                                  tf.TensorSpec([None], tf.int64, name="key")])
    def call(self, x, key):
        return {"y": tf.gather(tf.range(50.0), key) + tf.reduce_sum(x, 1)}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures=model.call)
"""
READ = """\
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
good, bad = (spark.read.parquet(path) for path in sys.argv[1:])
rows = [row.asDict() for row in bad.orderBy("file", "row").collect()]
print(json.dumps({"columns": good.columns, "good": good.count(), "bad": rows}))
"""


def line(i):
    return json.dumps({"id": i, "x": [i, 0.5], "key": i % 50})


def test_quarantine(job, any_master, tensorflow_python):
    """Text that is no number, a list too short, a line that is no object, an index out of range."""
    model = job.folder / "model"
    subprocess.run([tensorflow_python, "-c", MODEL, model], check=True, capture_output=True)
    lines = [line(i) for i in range(1000)]
    bad = {7: ("key", 7), 8: ("x", 8), 503: ("-", 503), 900: ("-", None)}
    lines[7] = lines[7].replace('"key": 7', '"key": "seven"')
    lines[8] = lines[8].replace("[8, 0.5]", "[8]")
    lines[503] = lines[503].replace('"key": 3', '"key": 50')
    lines[900] = "nothing"
    data = job.folder / "data"
    data.mkdir()
    (data / "a.json").write_text("\n".join(lines[:500]) + "\n")
    (data / "b.json").write_text("\n".join(lines[500:]) + "\n")
    path = job.folder / "infer.yaml"
    path.write_text(
        "export_dir: model\ninput: {path: data, format: json}\nkeep: [id]\nbatch_size: 64\n"
        "cluster_size: 2\noutput: {path: out}\non_bad_row: quarantine\nmax_bad: 0.4%\n"
        f"spark: {{master: '{any_master(2)}'}}\n"
    )
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    assert "read = predicted + skipped + quarantined: 1000 = 996 + 0 + 4" in result.stderr
    account = {"read": 1000, "rows": 996, "skipped": 0, "quarantined": 4, "graph_failed": 1}
    out = job.folder / "out"
    manifest = json.loads((out / "_manifest.json").read_text())
    for told in (result.verdict["infer"], manifest):
        assert account.items() <= told.items()
    assert sum(split["quarantine"]["rows"] for split in manifest["splits"]) == 4

    good = np.setdiff1d(np.arange(1000), list(bad))
    got = pq.read_table(out).sort_by("id")
    assert got.column_names == ["id", "y"]
    assert (got["id"].to_numpy() == good).all()
    np.testing.assert_allclose(got["y"].to_numpy(), good % 50 + good + 0.5)

    aside = pq.read_table(out / "_quarantine").sort_by(
        [("file", "ascending"), ("row", "ascending")]
    )
    argv = [PYTHON, "-c", READ, out, out / "_quarantine"]
    spark = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert (spark["columns"], spark["good"]) == (["id", "y"], 996)
    assert spark["bad"] == aside.to_pylist()
    for row, (i, (column, kept)) in zip(spark["bad"], bad.items(), strict=True):
        name = "a.json" if i < 500 else "b.json"
        assert (row["file"], row["offset"], row["row"]) == (str(data / name), 0, i % 500)
        assert (row["column"], row["id"]) == (column, kept), row["reason"]
    job.assert_clean()

    job.run_id += "-again"
    result = job.run("infer", path, "--local", "--set", "max_bad=0.3%", "--set", "output.path=none")
    assert result.code == 6, result.stderr
    cause = result.verdict["cause"]
    assert "4 of 1000 rows are bad (0.4%), and max_bad is 0.3%; the first is" in cause
    assert 'data/a.json: row 7, column "key": ' in cause
    assert sorted(os.listdir(job.folder)) == sorted(
        ["data", "infer.yaml", "model", "out", "state", "stderr.txt", "tmp"]
    )
    job.assert_clean()
