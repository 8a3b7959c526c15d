"""The README's example with nothing but URLs, as docs/storage.md begins (make test-stores)."""

import shlex
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import PYTHON, ROOT, accuracy
from remote import STORES

pytestmark = [pytest.mark.stores, pytest.mark.spark]


@pytest.fixture(scope="module", params=["hdfs", "s3"])
def store(request, tmp_path_factory):
    return STORES[request.param](tmp_path_factory.mktemp("conf"))


def commands(url):
    """The two commands of docs/storage.md with another folder."""
    text = (ROOT / "docs" / "storage.md").read_text().split("```sh\n", 1)[1].split("```", 1)[0]
    lines = text.replace("\\\n", " ").replace("s3://bucket/digits", url).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def test_trains_and_predicts_with_urls_alone(store, job, tmp_path):
    data = tmp_path / "data"
    script = ROOT / "configs" / "digits" / "make_data.py"
    subprocess.run([PYTHON, script, data], check=True, capture_output=True)
    for part in ("train", "test"):
        store.put(data / part, part)
    run_id = job.run_id
    for number, (_, *argv) in enumerate(commands(store.url)):
        job.run_id = f"{run_id}-{number}"
        argv[1] = ROOT / argv[1]
        keys = " ".join(map(str, argv))
        assert keys.count(store.url) == 3 and "demo" not in keys
        done = job.run(*argv, "--set", "spark.master=local[4]", env=store.env)
        assert done.code == 0, done.stderr
    names = store.names()
    assert {"export/saved_model.pb", "predictions/_SUCCESS"} <= set(names)
    assert {"model/worker-0.weights.h5", "model/worker-1.weights.h5"} <= set(names)
    assert not [name for name in names if name.startswith(".") or "/." in name]
    found = pq.read_table(store.get("predictions", tmp_path / "predictions"))
    (scores,) = set(found.column_names) - {"id", "label"}
    guess = np.array(found[scores].to_pylist()).argmax(axis=1)
    right = (guess == found["label"].to_numpy()).mean()
    assert right > 0.93
    assert right == pytest.approx(accuracy(store.get("export", tmp_path / "export"), data))
    job.assert_clean()
