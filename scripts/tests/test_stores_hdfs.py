"""What only HDFS has, on a real server (make test-stores)."""

import subprocess

import pytest
import remote
from harness import PYTHON, write_rows

pytestmark = pytest.mark.stores

MODEL = """\
import sys, tensorflow as tf
x = tf.keras.Input((4,), name="x")
tf.keras.Model(x, tf.keras.layers.Dense(1)(x)).export(sys.argv[1], verbose=False)
"""
PROGRAM = """\
def main_fun(args, ctx):
    feed, ids = ctx.get_data_feed(), []
    while not feed.should_stop():
        ids += feed.next_batch(100)["id"]
    assert len(ids) == 2000, len(ids)
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """HDFS with a model and rows."""
    folder = tmp_path_factory.mktemp("m")
    write_rows(folder / "data", 1000, files=3, columns={"x": lambda i: [float(i)] * 4})
    subprocess.run([PYTHON, "-c", MODEL, folder / "model"], check=True, capture_output=True)
    store = remote.STORES["hdfs"](folder / "conf")
    store.put(folder / "model", "model")
    store.put(folder / "data", "data")
    return store


def write_job(job, stored, kind):
    path = job.folder / f"{kind}.yaml"
    common = f"input: {{path: {stored.url}/data}}\nspark: {{master: 'local[2]'}}\n"
    if kind == "infer":
        common += f"export_dir: {stored.url}/model\noutput: {{path: {stored.url}/o}}\n"
        common += "keep: [id]\nallow_narrowing: true\n"
    else:
        (job.folder / "train.py").write_text(PROGRAM)
        common += "app: {python: {file: train.py, function: main_fun}}\n"
        common += "input_mapping: {id: id}\nepochs: 2\n"
    path.write_text(common + "read_by: executor\n")
    return path


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["infer", "train"])
def test_reads_over_the_network_are_told(stored, job, tmp_path, kind):
    """Once for each process or host, where short-circuit reads are set and do not work."""
    socket = {"dfs.domain.socket.path": str(tmp_path / "none")}
    settings = {**stored.settings, **socket, "dfs.client.read.shortcircuit": "true"}
    conf = remote.write_site(tmp_path / "conf", settings)
    path = write_job(job, stored, kind)
    done = job.run(kind, path, env={"HADOOP_CONF_DIR": str(conf)})
    assert done.code == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "over the network" in line]
    assert len(told) == 1, done.stderr
    assert f"dial unix {tmp_path}/none: connect: no such file or directory" in told[0]
    assert "dfs.client.read.shortcircuit" in told[0]
