"""Models with operations of tensorflow_text, by `tfos infer --local`: tensorflow.op_libraries."""

import json
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import PYTHON

TEXTS = ["The cat sat", "a dog ran far away", "unbelievable cats", "", "grün  ist\tgut"]
MODEL = """\
import json, sys, tensorflow as tf, tensorflow_text as text

WORDS = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "##s", "sat", "un", "##believ", "##able"]

class Model(tf.Module):
    def __init__(self):
        super().__init__()
        words = tf.constant(WORDS)
        ids = tf.range(len(WORDS), dtype=tf.int64)
        table = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(words, ids), 1)
        self.bert = text.BertTokenizer(table, lower_case=True, token_out_type=tf.int64)
        self.space = text.WhitespaceTokenizer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def call(self, texts):
        tokens, starts, ends = self.space.tokenize_with_offsets(texts)
        pieces = self.bert.tokenize(texts).merge_dims(-2, -1)
        return {
            "tokens": tokens.to_tensor("", shape=[None, 6]),
            "ends": ends.to_tensor(-1, shape=[None, 6]),
            "pieces": pieces.to_tensor(-1, shape=[None, 8]),
        }

model = Model()
tf.saved_model.save(model, sys.argv[1], signatures=model.call)
served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
found = served(tf.constant(json.loads(sys.argv[2])))
found = {name: value.numpy().tolist() for name, value in found.items()}
found["tokens"] = [[token.decode() for token in row] for row in found["tokens"]]
json.dump(found, open(sys.argv[3], "w"))
import os, tensorflow_text.python.ops as ops
print(os.path.dirname(ops.__file__))
"""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """(folder with model and data, what Python says, tensorflow_text's folder of libraries)"""
    folder = tmp_path_factory.mktemp("m")
    argv = [PYTHON, "-c", MODEL, folder / "model", json.dumps(TEXTS), folder / "expected.json"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    pq.write_table(pa.table({"text": TEXTS}), folder / "data.parquet")
    expected = json.loads((folder / "expected.json").read_text())
    return folder, expected, done.stdout.splitlines()[-1]


def infer(tokenizer, job, *libraries):
    folder, _, _ = tokenizer
    argv = ["infer", "--local", "--export-dir", folder / "model"]
    argv += ["--input", folder / "data.parquet", "--output", job.folder / "out"]
    if libraries:
        argv += ["--set", f"tensorflow.op_libraries=[{', '.join(map(str, libraries))}]"]
    return job.run(*argv)


def test_package(tokenizer, job):
    _, expected, _ = tokenizer
    result = infer(tokenizer, job, "tensorflow_text")
    assert result.code == 0, result.stderr
    found = pq.read_table(job.folder / "out").to_pydict()
    assert {name: found[name] for name in expected} == expected
    assert sum(map(sum, expected["pieces"])) > 0


def test_files(tokenizer, job):
    """By their paths: of this machine, and as one that executors have."""
    _, expected, folder = tokenizer
    names = ["whitespace_tokenizer_v2", "wordpiece_tokenizer", "normalize_ops", "regex_split_ops"]
    paths = [f"{folder}/_{name}.so" for name in names]
    result = infer(tokenizer, job, paths[0], *(f"local:{path}" for path in paths[1:]))
    assert result.code == 0, result.stderr
    assert pq.read_table(job.folder / "out").to_pydict()["tokens"] == expected["tokens"]


def test_operations_that_are_missing(tokenizer, job):
    result = infer(tokenizer, job)
    assert result.code == 2, result.stderr
    cause = result.verdict["cause"]
    assert "WhitespaceTokenizeWithOffsetsV2" in cause and "tensorflow.op_libraries" in cause


@pytest.mark.parametrize("library", ["no_such_package", "pyarrow", "/bin/sh"])
def test_not_a_library(tokenizer, job, library):
    """A package that is not there or has no operations, and a file that is no library."""
    result = infer(tokenizer, job, library)
    assert result.code == 2, result.stderr
    assert library in result.verdict["cause"] and "op_libraries" in result.verdict["cause"]
