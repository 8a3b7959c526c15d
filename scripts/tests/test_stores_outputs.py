"""What programs, graph programs and tfos export write, on real stores (make test-stores)."""

import json
import os
import pathlib
import signal
import subprocess

import graph_models as models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import PROGRAMS, PYTHON, write_rows
from remote import STORES, address, on, stores
from tfos.graph import export_training

pytestmark = pytest.mark.stores

ROWS = 400
FILES = 600  # of an export whose upload takes seconds


@pytest.fixture(scope="module", params=stores("hdfs", "s3"))
def store(request, tmp_path_factory):
    return STORES[request.param](tmp_path_factory.mktemp("conf"))


def start(job, store, command="train", options=(), **keys):
    """A run with an id of its own; keys of the job file."""
    path = job.folder / "job.yaml"
    path.write_text(json.dumps(keys))
    (job.folder / "none.txt").touch()  # the input of programs that read nothing
    job.run_id += "i"
    return job.start(command, path, *options, env=store.env)


def names(store, folder):
    """Names below a folder of the store, and all names of what runs must not leave."""
    own = (".tfos.", ".publishing", ".tfos.old")  # staging folders, locks, journals
    return [n for n in store.names() if n.startswith(folder) or any(name in n for name in own)]


def loads(folder):
    """TensorFlow runs the SavedModel's signature."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (spec,) = signature.structured_input_signature[1].values()
    (out,) = signature(**{spec.name: tf.zeros([2, *spec.shape[1:]], spec.dtype)}).values()
    return out.shape


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    image = np.zeros(16, np.float32)
    return write_rows(tmp_path_factory.mktemp("r") / "d", ROWS, 2, {"image": lambda i: image})


@pytest.mark.spark
def test_python_program(store, job, rows, tmp_path):
    """Its model with a file beside it, rows of two members and files of its working directory.
    Then the same into the same places: refused, and replaced."""
    keys = {
        "app": {
            "python": {
                "file": str(PROGRAMS / "stored_outputs.py"),
                "function": "main_fun",
                "outputs": ["notes.txt"],
                "output_dir": f"{store.url}/files",
            }
        },
        "input": {"path": str(rows), "format": "parquet"},
        "input_mapping": {"id": "id"},
        "cluster_size": 2,
        "strategy": "independent",
        "export_dir": f"{store.url}/out/model",
        "output": {"path": f"{store.url}/out/rows"},
        "spark": {"master": "local[4]"},
    }
    done = start(job, store, **keys).wait()
    assert done.code == 0, done.stderr
    artifacts = {one["path"]: one["kind"] for one in done.verdict["artifacts"]}
    assert artifacts == {
        f"{store.url}/out/model": "saved_model",
        f"{store.url}/out/model.keras": "export",
        f"{store.url}/out/rows": "results",
    }
    assert "other.txt beside the given path" in done.stderr
    table = pq.read_table(store.get("out/rows", tmp_path / "rows"))
    assert sorted(table["id"].to_pylist()) == list(range(ROWS))
    assert table["double"].to_pylist() == [2 * i for i in table["id"].to_pylist()]
    assert loads(store.get("out/model", tmp_path / "model")) == (2, 3)
    notes = [f"files/{job.run_id}/worker-{i}/notes.txt" for i in (0, 1)]
    assert [name for name in store.names() if name.startswith("files/")] == notes
    assert names(store, "out/.") == []
    job.run_id += "p"
    found = job.run(
        "infer", "--export-dir", f"{store.url}/out/model", "--input", rows, "--local",
        "--output", f"{store.url}/predicted", "--set", "keep=[id]", env=store.env,
    )  # fmt: skip
    assert found.code == 0, found.stderr

    refused = start(job, store, **keys).wait()
    assert refused.code == 7, refused.stderr
    for key in ("export_dir", "output.path"):
        assert key in refused.stderr
    assert f"{store.url}/out/model.keras" in refused.stderr
    assert not list(job.folder.rglob("spark.log")) or "formed" not in refused.verdict
    keys |= {
        "export_if_exists": "replace",
        "output": {"path": f"{store.url}/out/rows", "if_exists": "replace"},
    }
    replaced = start(job, store, **keys).wait()
    assert replaced.code == 0, replaced.stderr
    table = pq.read_table(store.get("out/rows", tmp_path / "rows2"))
    assert sorted(table["id"].to_pylist()) == list(range(ROWS))
    assert names(store, "out/.") == []
    job.assert_clean()


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """(a graph program, its rows)"""
    folder = tmp_path_factory.mktemp("g")
    made, arguments = models.perceptron()
    export_training(made, path=str(folder / "model"), **arguments)
    models.write(folder / "rows.parquet", models.batches(4, models.classes))
    return folder


@on(*STORES)
def test_graph_program_and_export(store, job, graph, tmp_path):
    """The export of a training, and exports of its checkpoint: a SavedModel, and versions."""
    done = start(
        job,
        store,
        app={"graph": {"path": str(graph / "model")}},
        input={"path": str(graph / "rows.parquet")},
        batch_size=models.ROWS,
        model_dir=f"{store.url}/g/ckpt",
        export_dir=f"{store.url}/g/trained",
        local=True,
    ).wait()
    assert done.code == 0, done.stderr
    kinds = {one["path"]: one["kind"] for one in done.verdict["artifacts"]}
    assert kinds[f"{store.url}/g/trained"] == "saved_model"
    loads(store.get("g/trained", tmp_path / "trained"))
    flags = [f"{store.url}/g/ckpt", "--graph", graph / "model"]
    flags += ["--export-dir", f"{store.url}/g/exported"]
    for more, code in [([], 0), ([], 7), (["--if-exists", "replace"], 0)]:
        job.run_id += "e"
        made = job.run("export", *flags, *more, env=store.env)
        assert made.code == code, made.stderr
    loads(store.get("g/exported", tmp_path / "exported"))
    flags[-1] = f"{store.url}/g/served"
    for version in "12":
        job.run_id += "v"
        made = job.run("export", *flags, "--serving-layout", env=store.env)
        assert made.code == 0, made.stderr
        assert f"g/served/{version}/saved_model.pb" in store.names()
    assert names(store, "g/.") == []
    job.assert_clean()


KERAS = """\
import sys, tensorflow as tf
inputs = tf.keras.Input((16,), name="image")
tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inputs)).save(sys.argv[1])
"""


@on(*STORES)
def test_export_of_a_keras_file(store, job, tmp_path):
    subprocess.run([PYTHON, "-c", KERAS, tmp_path / "m.keras"], check=True, capture_output=True)
    made = job.run(
        "export", tmp_path / "m.keras", "--export-dir", f"{store.url}/k/m", env=store.env
    )
    assert made.code == 0, made.stderr
    assert loads(store.get("k/m", tmp_path / "m")) == (2, 3)
    assert names(store, "k/.") == []
    job.assert_clean()


def many(store, folder, attempt, **more):
    """Keys of a job that exports many files to a folder of the store."""
    args = {"files": FILES, "attempt": attempt, "fail": False}
    return {
        "app": {
            "python": {
                "file": str(PROGRAMS / "many_files.py"),
                "function": "main_fun",
                "args": args | more.pop("args", {}),
            }
        },
        "strategy": "independent",
        "input_mode": "tensorflow",
        "input": {"path": "none.txt"},
        "export_dir": f"{store.url}/{folder}/out",
        "spark": {"master": "local[2]"},
        **more,
    }


def assert_many(store, folder, attempt, tmp_path):
    """The whole export of one attempt, and nothing else."""
    at = store.get(f"{folder}/out", tmp_path / f"got-{attempt}")
    assert len(list((at / "deep").iterdir())) == FILES
    for number in range(FILES):
        assert (at / "deep" / f"{number:05d}").read_text() == f"{attempt} {number}"
    assert (at / "top.txt").read_text() == attempt
    assert names(store, f"{folder}/.") == []


@pytest.mark.leases
@pytest.mark.spark
def test_killed_in_mid_upload(store, job, tmp_path):
    """The member, which ends the run; and then the whole run."""

    def uploading():
        return [n for n in store.names() if n.startswith("upload/.out.tfos.staging/") and "/0" in n]

    running = start(job, store, **many(store, "upload", "a"))
    running.wait_for(uploading, what="a file at the store")
    (pid,) = running.processes("tfos-node run")
    os.kill(pid, signal.SIGKILL)
    done = running.wait()
    assert done.code not in (0, 7), done.stderr
    assert names(store, "upload/") == []
    running = start(job, store, **many(store, "upload", "b"))
    running.wait_for(uploading, what="a file at the store")
    running.kill()
    assert running.wait().code != 0
    done = start(job, store, **many(store, "upload", "c")).wait()
    assert done.code == 0, done.stderr
    assert_many(store, "upload", "c", tmp_path)


@pytest.mark.leases
@pytest.mark.spark
def test_killed_in_mid_publish(store, job, tmp_path):
    """The next run does the rest. Then the output is there: refused, or replaced."""
    running = start(job, store, **many(store, "publish", "p"))

    def publishing():
        return [n for n in store.names() if n.startswith("publish/out/")]

    running.wait_for(publishing, what="a file of the output")
    running.kill()
    running.wait()
    done = start(job, store, **many(store, "publish", "q")).wait()
    assert done.code == 7, done.stderr
    assert_many(store, "publish", "p", tmp_path)
    done = start(job, store, **many(store, "publish", "r", export_if_exists="replace")).wait()
    assert done.code == 0, done.stderr
    assert_many(store, "publish", "r", tmp_path)


@pytest.mark.spark
def test_a_failed_program_keeps_its_export(store, job, tmp_path):
    """Uploaded as a whole, where the verdict says."""
    done = start(job, store, **many(store, "failing", "f", args={"fail": True})).wait()
    assert done.code == 5, done.stderr
    (kept,) = done.verdict["kept"]
    assert kept.startswith(f"{store.url}/failing/.out.tfos.staging/")
    at = store.get(kept.removeprefix(store.url + "/"), tmp_path / "kept")
    assert len(list((at / "deep").iterdir())) == FILES
    assert not [n for n in store.names() if n.startswith("failing/out")]


PARTS, PART_ROWS = 8, 1_000
DOUBLE = """\
import sys, tensorflow as tf
class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": 2 * x}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures={"serving_default": model.__call__})
"""


@pytest.fixture(scope="module")
def double(tmp_path_factory, tensorflow_python):
    folder = tmp_path_factory.mktemp("double") / "model"
    subprocess.run([tensorflow_python, "-c", DOUBLE, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module", params=["hdfs", "s3"])
def spark_store(request, tmp_path_factory):
    """A store that Spark itself reads and writes, with the settings of its S3 client."""
    one = STORES[request.param](tmp_path_factory.mktemp("conf"))
    one.conf = {}
    if request.param == "s3":
        jars = pathlib.Path(address("TFOS_TEST_S3A_JARS")).glob("*.jar")
        one.conf["spark.jars"] = ",".join(map(str, sorted(jars)))
        one.conf["spark.hadoop.fs.s3a.connection.ssl.enabled"] = "false"
    return one


class Predictions:
    """Runs of a job whose rows and predictions Spark reads and writes on a store."""

    def __init__(self, store, model, job, folder):
        self.store, self.model, self.job, self.folder = store, model, job, folder
        self.rows = np.random.default_rng(1).random((PARTS * PART_ROWS, 4), np.float32)

    def put(self, part, bad=False):
        ids = range(part * PART_ROWS, (part + 1) * PART_ROWS)
        lists = list(self.rows[ids.start : ids.stop])
        if bad:
            lists[-1] = lists[-1][:3]
        table = pa.table({"id": list(ids), "x": pa.array(lists, pa.list_(pa.float32()))})
        pq.write_table(table, self.folder / "part.parquet")
        self.store.put(self.folder / "part.parquet", f"in/part-{part}.parquet")

    def start(self, out, *options, conf=None, **output):
        keys = {
            "export_dir": str(self.model),
            "read_by": "spark",
            "keep": ["id"],
            "batch_size": 100,
            "input": {"path": f"{self.store.url}/in"},
            "output": {"path": f"{self.store.url}/{out}", "if_exists": "resume", **output},
            "spark": {
                "master": "local[2]",
                "conf": {
                    "spark.sql.files.minPartitionNum": str(PARTS),
                    "spark.sql.files.openCostInBytes": "65536",
                    **self.store.conf,
                    **(conf or {}),
                },
            },
        }
        return start(self.job, self.store, "infer", options, **keys)

    def check(self, out):
        """Every row is there once, and nothing else is left."""
        table = pq.read_table(self.store.get(out, self.folder / out)).sort_by("id")
        assert table["id"].to_pylist() == list(range(PARTS * PART_ROWS))
        got = np.array(table["y"].to_pylist(), np.float32)
        np.testing.assert_allclose(got, 2 * self.rows)
        assert names(self.store, f"{out}/.") == []


@pytest.fixture
def predictions(spark_store, double, job, tmp_path):
    one = Predictions(spark_store, double, job, tmp_path)
    for part in range(PARTS):
        one.put(part)
    return one


@pytest.mark.spark
def test_spark_resumes_a_failed_run(predictions):
    """A run that fails at a bad row keeps what Spark's tasks have committed. s3:// is s3a:// for
    Spark."""
    predictions.put(PARTS - 1, bad=True)
    failed = predictions.start("failed").wait()
    assert failed.code == 6, failed.stderr
    kept = failed.verdict["infer"]["kept_splits"]
    assert 0 < kept < PARTS
    predictions.put(PARTS - 1)
    again = predictions.start("failed").wait()
    assert again.code == 0, again.stderr
    carried = again.verdict["infer"]["carried"]
    assert kept <= carried["splits"] < PARTS
    assert again.verdict["infer"]["rows"] + carried["rows"] == PARTS * PART_ROWS
    predictions.check("failed")
    assert predictions.start("failed").wait().verdict["phase"] == "skipped"


@pytest.mark.leases
@pytest.mark.spark
def test_spark_resumes_a_killed_run(predictions):
    running = predictions.start("killed", "--set", "batch_size=1")

    def committed():
        found = [
            n
            for n in predictions.store.names()
            if n.startswith(".killed.") and "/written/part-" in n
        ]
        return len(found) >= 2

    running.wait_for(committed, what="two committed partitions")
    running.kill()
    running.wait()
    again = predictions.start("killed", "--set", "batch_size=1").wait()
    assert again.code == 0, again.stderr
    assert again.verdict["infer"]["carried"]["splits"] >= 1
    predictions.check("killed")


@pytest.mark.spark
def test_spark_does_not_resume_several_files(predictions):
    """A killed task may leave some of them."""
    conf = {"spark.sql.files.maxRecordsPerFile": "10"}
    several = predictions.start("several", conf=conf).wait()
    assert several.code == 2, several.stderr
    assert "maxRecordsPerFile" in several.stderr
    assert predictions.start("split", partition_by=["id"]).wait().code == 2
