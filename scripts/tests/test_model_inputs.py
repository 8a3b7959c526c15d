"""What models take and give beside rows of open batches: `tfos infer --local` beside Python.

Constants, fixed batches, ragged inputs, raw records, binary outputs, rounding.
"""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warm
from harness import PYTHON

MODELS = Path(__file__).with_name("input_models.py")


@pytest.fixture(scope="module")
def models(tmp_path_factory, tensorflow_python):
    folder = tmp_path_factory.mktemp("m")
    make = [tensorflow_python, *warm.script(MODELS, folder)]
    subprocess.run(make, check=True, capture_output=True)
    return folder


def single(values):
    """Python's numbers as float32, at any depth; an Arrow array as it is."""

    def narrow(kind):
        if pa.types.is_list(kind):
            return pa.list_(narrow(kind.value_type))
        return pa.float32() if kind == pa.float64() else kind

    if isinstance(values, pa.Array):
        return values
    return pa.array(values, narrow(pa.array(values).type))


class Inference:
    """Runs a signature over rows, and gives its table in the order of id."""

    def __init__(self, models, job):
        self.models, self.job, self.out = models, job, job.folder / "out"
        self.runs = 0

    def __call__(self, model, signature, data, *more, keep=True):
        argv = ["infer", "--local", "--export-dir", self.models / model, "--input", data]
        argv += ["--output", self.out, "--signature-def-key", signature]
        self.runs += 1
        self.job.run_id = f"run-{self.runs}"
        return self.job.run(*argv, *(["--keep", "id"] if keep else []), *more)

    def rows(self, files=1, **columns):
        """A folder of parquet files with these columns and id."""
        data = self.job.folder / "data"
        data.mkdir()
        table = pa.table({name: single(column) for name, column in columns.items()})
        table = table.append_column("id", pa.array(range(table.num_rows), pa.int64()))
        each = -(-table.num_rows // files)
        for i in range(files):
            pq.write_table(table.slice(i * each, each), data / f"{i}.parquet", row_group_size=7)
        return data

    def table(self):
        return pq.read_table(self.out).sort_by("id")


@pytest.fixture
def infer(models, job):
    return Inference(models, job)


X = [[float(i), 1.0] for i in range(30)]


def test_constants(infer):
    data = infer.rows(x=X)
    constants = {"keep_prob": "0.5", "training": "true", "size": "[3, 4]", "label": "a=b"}
    flags = [f"--constant={name}={value}" for name, value in constants.items()]
    result = infer("scalars", "serving_default", data, *flags)
    assert result.code == 0, result.stderr
    assert re.search(r"constant +0.5 +- +keep_prob +float32 \[\] +fits", result.stderr)
    got = infer.table()
    assert got["y"].to_pylist() == [(i + 1) * 0.5 + 12 + 1000 for i in range(30)]
    assert got["name"].to_pylist() == ["a=b"] * 30


@pytest.mark.parametrize(
    ("constants", "fault"),
    [
        (["keep_prob=yes"], 'constants.keep_prob: "yes": the tensor is float32 []'),
        (["keep_prob=[1, 2]"], "its shape is [2], the tensor is float32 []"),
        (["keep_prob=1e39"], "1e+39 is beyond the range of float32"),
        (["training=1"], "the tensor is bool []"),
        (["size=[1, 2, 3]"], "its shape is [3], the tensor is int64 [2]"),
        (["size=[1, 2.5]"], "2.5 is no whole number of type int64"),
        (["dropout=1"], "there is no such input"),
    ],
)
def test_constants_that_do_not_fit(infer, constants, fault):
    flags = [f"--constant={text}" for text in constants]
    result = infer("scalars", "serving_default", infer.rows(x=X), *flags)
    assert result.code == 2 and fault in result.stderr, result.stderr
    assert not infer.out.exists()


def test_a_scalar_without_its_constant_is_named(infer):
    result = infer("scalars", "serving_default", infer.rows(x=X))
    assert result.code == 6 and "--constant keep_prob=…" in result.stderr


@pytest.mark.parametrize("raw", [False, True])
def test_an_input_with_a_default_needs_nothing(infer, raw):
    data = infer.rows(x=X)
    mapping = ["--input-mapping", "x=x:0", "--output-mapping", "y:0=y"] if raw else []
    result = infer("default", "serving_default", data, *mapping[: 4 if raw else 0])
    if raw:  # tensors alone need no signature
        argv = ["infer", "--local", "--export-dir", infer.models / "default", "--input", data]
        result = infer.job.run(*argv, "--output", infer.out, "--keep", "id", *mapping)
    assert result.code == 0, result.stderr
    assert infer.table()["y"].to_pylist() == [(i + 1) * 0.5 for i in range(30)]


def test_a_default_gives_way_to_a_constant(infer):
    result = infer("default", "serving_default", infer.rows(x=X), "--constant", "keep_prob=2")
    assert result.code == 0, result.stderr
    assert infer.table()["y"].to_pylist() == [(i + 1) * 2 for i in range(30)]


def test_rows_that_are_no_whole_batch_are_refused(infer):
    result = infer("fixed", "batch", infer.rows(x=X))
    assert result.code == 6, result.stderr
    assert "0.parquet" in result.stderr and "of 30 rows 2 are left over" in result.stderr
    assert "--pad-last-batch" in result.stderr and not infer.out.exists()


def test_whole_batches_of_rows_that_depend_on_one_another(infer):
    rows = X[:28]
    result = infer("fixed", "batch", infer.rows(x=rows), "--batch-size", "10")
    assert result.code == 0, result.stderr
    sums = np.array(rows).sum(1).reshape(7, 4)
    want = (sums - sums.mean(1, keepdims=True)).reshape(-1)
    np.testing.assert_allclose(infer.table()["y"].to_numpy(), want, atol=1e-5)


@pytest.mark.parametrize("files", [1, 4])
def test_short_batches_are_filled_up(infer, files):
    result = infer("fixed", "batch", infer.rows(x=X, files=files), "--pad-last-batch")
    assert result.code == 0, result.stderr
    got = infer.table()
    assert got["id"].to_pylist() == list(range(30))
    assert got["z"].to_pylist() == [i + 1 for i in range(30)]


def test_bad_rows_of_fixed_batches(infer):
    x = [list(row) for row in X]
    x[3], x[8], x[29] = [1.0], [950.0, 0.0], None
    data = infer.rows(x=x)
    argv = ["--set", "on_bad_row=quarantine"]
    result = infer("fixed", "batch", data, *argv)
    assert result.code == 6 and "pad_last_batch" in result.stderr, result.stderr
    result = infer("fixed", "batch", data, *argv, "--pad-last-batch")
    assert result.code == 0, result.stderr
    got = infer.table()
    good = [i for i in range(30) if i not in (3, 8, 29)]
    assert got["id"].to_pylist() == good
    assert got["z"].to_pylist() == [i + 1 for i in good]
    bad = pq.read_table(infer.out / "_quarantine")
    assert sorted(bad["row"].to_pylist()) == [3, 8, 29]


def test_a_batch_that_fails_is_named(infer):
    x = [list(row) for row in X[:28]]
    x[9] = [950.0, 0.0]
    result = infer("fixed", "batch", infer.rows(x=x))
    assert result.code == 6 and "rows 8 to 11" in result.stderr, result.stderr


def test_one_row_at_a_time(infer):
    x = [[[i, 1.0, 2.0]] * (i % 3 + 1) for i in range(9)]
    result = infer("fixed", "one", infer.rows(x=x))
    assert result.code == 0, result.stderr
    got = infer.table()
    assert got["sum"].to_pylist() == [np.sum(row) for row in x]
    assert got["rows"].to_pylist() == [(np.array(row) * 2).tolist() for row in x]


def test_filling_up_is_refused_where_nothing_is_to_be_filled(infer):
    result = infer("fixed", "one", infer.rows(x=[[[1.0, 2, 3]]]), "--pad-last-batch")
    assert result.code == 6 and "one row at a time: remove the key" in result.stderr


def test_ragged_inputs(infer):
    tokens = [[float(j) for j in range(i % 4)] for i in range(30)]
    bias = pa.array(np.arange(30), pa.float32())
    data = infer.rows(tokens=pa.array(tokens, pa.list_(pa.float32())), bias=bias)
    result = infer("parts", "ragged", data)
    assert result.code == 0, result.stderr
    got = infer.table()
    assert got["y"].to_pylist() == [sum(t) + i for i, t in enumerate(tokens)]
    assert got["n"].to_pylist() == [len(t) for t in tokens]


def test_a_ragged_input_of_which_only_lengths_are_asked_for(infer):
    tokens = [[float(j) for j in range(i % 4)] for i in range(30)]
    data = infer.rows(tokens=pa.array(tokens, pa.list_(pa.float32())))
    result = infer("parts", "ragged", data, "--output-mapping", "n=n")
    assert result.code == 0, result.stderr
    assert infer.table()["n"].to_pylist() == [len(t) for t in tokens]


def test_ragged_inputs_of_several_dimensions(infer):
    tokens = [[[[i, j]] * j for j in range(i % 3)] for i in range(12)]
    kind = pa.list_(pa.list_(pa.list_(pa.int64())))
    data = infer.rows(tokens=pa.array(tokens, kind))
    result = infer("parts", "deep", data)
    assert result.code == 0, result.stderr
    want = [np.sum([v for a in t for v in a], axis=0) if any(t) else [0, 0] for t in tokens]
    assert infer.table()["y"].to_pylist() == [list(w) for w in want]


def test_ragged_inputs_whose_inner_dimension_differs(infer):
    tokens = [[[float(i)] * (i % 3 + 1)] * (i % 4) for i in range(24)]
    result = infer("parts", "open", infer.rows(tokens=tokens))
    assert result.code == 0, result.stderr
    assert infer.table()["y"].to_pylist() == [np.sum(row) for row in tokens]


def test_bad_rows_of_ragged_inputs(infer):
    tokens = [[1.0], None, [], [2.0, None], [3.0]]
    data = infer.rows(
        tokens=pa.array(tokens, pa.list_(pa.float32())), bias=pa.array([0.0] * 5, pa.float32())
    )
    result = infer("parts", "ragged", data, "--set", "on_bad_row=quarantine")
    assert result.code == 0, result.stderr
    got = infer.table()
    assert got["id"].to_pylist() == [0, 2, 4] and got["y"].to_pylist() == [1, 0, 3]
    bad = pq.read_table(infer.out / "_quarantine").sort_by("row")
    assert bad["row"].to_pylist() == [1, 3]
    assert "holds a null" in bad["reason"].to_pylist()[1]


@pytest.mark.parametrize("model", ["parts", "sparse1"])
def test_sparse_inputs_are_refused_with_what_to_do(infer, model):
    signature = "sparse" if model == "parts" else "serving_default"
    result = infer(model, signature, infer.rows(s=[[0.0] * 4]))
    assert result.code == 6, result.stderr
    assert "sparse float32 [-1,4]" in result.stderr and "tf.sparse.from_dense" in result.stderr


def test_raw_records(infer):
    """TFX's models take serialized tf.Examples."""
    argv = ["--set", "input.format=tfrecord", "--set", "input.options.recordType=ByteArray"]
    result = infer("texts", "parse", infer.models / "examples.tfrecord", *argv, keep=False)
    assert result.code == 0, result.stderr
    assert pq.read_table(infer.out)["y"].to_pylist() == [i * 2 for i in range(50)]


def test_binary_outputs(infer):
    data = infer.rows(shade=pa.array(range(20), pa.uint8()), files=3)
    result = infer("texts", "png", data)
    assert result.code == 6 and "--binary-output image" in result.stderr, result.stderr
    result = infer("texts", "png", data, "--binary-output", "image", "--output-mapping", "image=i")
    assert result.code == 0, result.stderr
    got = infer.table()
    assert got.schema.field("i").type == pa.binary()
    assert all(v.startswith(b"\x89PNG") for v in got["i"].to_pylist())
    assert len(set(got["i"].to_pylist())) == 20


@pytest.mark.parametrize(
    ("model", "signature", "name", "fault"),
    [("texts", "parse", "y", "y is float32"), ("texts", "png", "gone", "gone is not an alias")],
)
def test_binary_outputs_that_are_none(infer, model, signature, name, fault):
    result = infer(
        model, signature, infer.rows(shade=pa.array([1], pa.uint8())), "--binary-output", name
    )
    assert result.code == 2 and fault in result.stderr, result.stderr


def test_narrowing(infer):
    x = [[0.1, 1e308 if i == 5 else float(i)] for i in range(10)]
    x[7] = [float("inf"), float("nan")]
    data = infer.rows(x=pa.array(x, pa.list_(pa.float64())))
    result = infer("numbers", "single", data)
    assert result.code == 6 and "--allow-narrowing" in result.stderr, result.stderr
    result = infer("numbers", "single", data, "--allow-narrowing")
    assert result.code == 6 and "row 5" in result.stderr and "1e+308" in result.stderr
    result = infer("numbers", "single", data, "--allow-narrowing", "--set", "on_bad_row=skip")
    assert result.code == 0, result.stderr
    got = np.array(infer.table()["y"].to_pylist())
    want = np.array([row for i, row in enumerate(x) if i != 5], np.float64).astype(np.float32)
    np.testing.assert_array_equal(got.astype(np.float32), want)


@pytest.mark.parametrize("signature", ["half", "brain"])
def test_narrowing_to_halves(infer, signature):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=500), 10.0 ** rng.uniform(-9, 4, 500), [0.0, -0.0]])
    result = infer("numbers", signature, infer.rows(x=pa.array(x)), "--allow-narrowing")
    assert result.code == 0, result.stderr
    got = infer.table()["y"].to_numpy()
    if signature == "half":
        want = x.astype(np.float16).astype(np.float32)
    else:
        code = "import sys,numpy as np,ml_dtypes as m;x=np.load(sys.argv[1]);"
        code += "np.save(sys.argv[2],x.astype(m.bfloat16).astype(np.float32))"
        paths = [infer.job.folder / "x.npy", infer.job.folder / "y.npy"]
        np.save(paths[0], x)
        subprocess.run([PYTHON, "-c", code, *paths], check=True)
        want = np.load(paths[1])
    np.testing.assert_array_equal(got, want)


def test_a_job_file_has_the_same_keys(infer):
    data = infer.rows(x=X)
    job = {
        "export_dir": str(infer.models / "scalars"),
        "input": {"path": str(data)},
        "keep": ["id"],
        "constants": {"keep_prob": 2, "training": False, "size": [0, 1], "label": "n"},
        "output": {"path": str(infer.out)},
        "local": True,
    }
    path = infer.job.folder / "infer.yaml"
    path.write_text(json.dumps(job))
    result = infer.job.run("infer", path)
    assert result.code == 0, result.stderr
    assert infer.table()["y"].to_pylist() == [(i + 1) * 2 for i in range(30)]
    infer.job.run_id = "another"
    # Another constant makes other predictions: parts of this run are not taken over.
    result = infer.job.run(
        "infer", path, "--set=constants.keep_prob=3", "--set=output.if_exists=resume"
    )
    assert result.code == 7 and "constants" in result.stderr, result.stderr
