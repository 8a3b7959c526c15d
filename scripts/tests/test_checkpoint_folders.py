"""Folders of checkpoints as internal/train keeps them: TensorFlow finds and reads them, and
`tfos infer` runs one as a model by itself."""

import glob
import json
import os
import shutil
import subprocess
from pathlib import Path

import graph_models as models
import graph_session
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from graph_models import ROWS, batches
from tfos.graph import export_training

v1 = tf.compat.v1
ROOT = Path(__file__).resolve().parents[2]
STEPS = [3, 5, 11]  # of the checkpoints; the last two are kept
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class Words(tf.Module):
    """A step by hand, and a table that is filled from a file of the SavedModel."""

    def __init__(self, vocabulary):
        super().__init__()
        self.file = tf.saved_model.Asset(str(vocabulary))
        whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        source = tf.lookup.TextFileInitializer(self.file, tf.string, whole, tf.int64, number)
        self.table = tf.lookup.StaticHashTable(source, -1)
        self.weights = tf.Variable(tf.zeros([3]), name="weights")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])
    def serve(self, word):
        return {"score": tf.gather(self.weights, self.table.lookup(word))}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "word"),
            tf.TensorSpec([None], tf.float32, "y"),
        ]
    )
    def train(self, word, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.serve(word)["score"] - y) ** 2)
        self.weights.assign_sub(tf.convert_to_tensor(tape.gradient(loss, self.weights)))
        return {"loss": loss}


def export_words(path):
    vocabulary = path.parent / "words.txt"
    vocabulary.write_text("ann\nbob\ncid\n")
    module = Words(vocabulary)
    signatures = {"train": module.train, "serving_default": module.serve}
    tf.saved_model.save(module, str(path), signatures=signatures)
    vocabulary.unlink()


def words(rng, rows):
    word = rng.choice(["ann", "bob", "cid"], rows).astype(object)
    return {"word": word, "y": np.array([len(set(one)) for one in word], "float32")}


def export_ratings(path):
    model, arguments = models.wide_and_deep()
    export_training(model, path=path, **arguments)


class Folder:
    """A model_dir with the checkpoints of a training; predictions of the last one's variables."""

    def __init__(self, folder, binary, export, make):
        self.path, self.binary, self.graph = folder / "model", binary, folder / "graph"
        export(self.graph)
        steps = batches(STEPS[-1], make)
        with graph_session.Graph(str(self.graph)) as graph:
            for step, batch in enumerate(steps, 1):
                graph.run("train", batch)
                if step in STEPS:
                    graph.save(str(folder / f"saved-{step}"))
            names = graph.meta.signature_def["serving_default"].inputs
            self.features = {name: steps[-1][name] for name in names}
            self.predictions = graph.run("serving_default", self.features)
        saved = {step: str(folder / f"saved-{step}") for step in STEPS}
        found = self.run({"saves": [{"step": s, "files": files(p)} for s, p in saved.items()]})
        assert found == {
            "newest": {"prefix": str(self.path / "ckpt-11"), "step": 11},
            "passed_over": None,
        }

    def run(self, job, path=None):
        """Saves checkpoints; what is the newest then."""
        meta = graph_session.read(str(self.graph))
        tags = list(meta.meta_info_def.tags)
        folder = str(path or self.path)
        setup = {"dir": folder, "graph": str(self.graph), "tags": tags, "keep": 2} | job
        environment = {**os.environ, "TFOS_CHECKPOINT_SAVER": json.dumps(setup)}
        done = subprocess.run([self.binary], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def files(prefix):
    return {path.removeprefix(prefix): path for path in glob.glob(prefix + ".*")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    binary = str(folder / "saver")
    command = ["go", "test", "-c", "-o", binary, "./internal/train"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    made = {}
    for name, case in {
        "export_training": (export_ratings, models.ratings),
        "by_hand_with_assets": (export_words, words),
    }.items():
        (folder / name).mkdir()
        made[name] = Folder(folder / name, binary, *case)
    return made


@pytest.fixture(params=["export_training", "by_hand_with_assets"])
def folder(folders, request):
    return folders[request.param]


def test_tensorflow_finds_and_reads_the_newest(folders):
    folder = folders["export_training"]
    latest = tf.train.latest_checkpoint(folder.path)
    assert latest == str(folder.path / "ckpt-11")
    state = tf.train.get_checkpoint_state(str(folder.path))
    kept = [str(folder.path / f"ckpt-{step}") for step in STEPS[1:]]
    assert list(state.all_model_checkpoint_paths) == kept
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(), str(folder.path), max_to_keep=2)
    assert manager.latest_checkpoint == kept[-1]
    for prefix in kept:
        reader = tf.train.load_checkpoint(prefix)
        step = int(prefix.rsplit("-", 1)[1])
        assert reader.get_tensor("global_step" + VALUE) == step
        assert reader.get_tensor("users/embeddings" + VALUE).shape == (4, 3)
    assert sorted(one.name for one in folder.path.iterdir() if "ckpt-3" in one.name) == []


def test_tensorflow_runs_a_checkpoint_with_its_graph(folder):
    """As programs of TensorFlow 1 do, from the folder alone."""
    prefix = tf.train.latest_checkpoint(folder.path)
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(prefix + ".meta")
        meta = v1.MetaGraphDef.FromString(Path(prefix + ".meta").read_bytes())
        saver.restore(session, prefix)
        session.run(
            meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name
        )
        served = meta.signature_def["serving_default"]
        feeds = {served.inputs[name].name: value for name, value in folder.features.items()}
        got = session.run({name: one.name for name, one in served.outputs.items()}, feeds)
    for name, value in folder.predictions.items():
        np.testing.assert_array_equal(got[name], value)


def test_tfos_infer_runs_the_folder_alone(folder, job):
    columns = {name: pa.array(value.tolist()) for name, value in folder.features.items()}
    types = {name: pa.list_(pa.float32()) for name in ["age"]}
    table = {name: value.cast(types.get(name, value.type)) for name, value in columns.items()}
    pq.write_table(pa.table({"id": np.arange(ROWS), **table}), job.folder / "rows.parquet")
    (job.folder / "job.yaml").write_text(
        f"model_dir: {folder.path}\nsignature_def_key: serving_default\nkeep: [id]\n"
        "input: {path: rows.parquet}\noutput: {path: out}\n"
    )
    result = job.run("infer", "job.yaml", "--local")
    assert result.code == 0, result.stderr
    got = pq.read_table(job.folder / "out").sort_by("id")
    for name, value in folder.predictions.items():
        np.testing.assert_allclose(np.array(got[name].to_pylist()), value, rtol=1e-6, err_msg=name)


def test_half_a_checkpoint_is_passed_over(folders, tmp_path):
    """tf.train.latest_checkpoint names it, because its index is there."""
    folder = folders["export_training"]
    copy = shutil.copytree(folder.path, tmp_path / "model")
    os.truncate(copy / "ckpt-11.data-00000-of-00001", 100)
    assert tf.train.latest_checkpoint(copy) == str(copy / "ckpt-11")
    found = folder.run({}, copy)
    assert found["newest"] == {"prefix": str(copy / "ckpt-5"), "step": 5}
    (note,) = found["passed_over"]
    assert note.startswith(str(copy / "ckpt-11")) and "has 100 bytes of" in note
