"""Programs in the manner of TensorFlow 1: they run, or their error says what to do."""

import pytest
from test_ending import Ended
from tfos import ending

# In the manner of Kubeflow's TFJob example mnist_with_summaries: a graph, a session, summaries of
# train and test, flags that it parses itself, and TensorFlow's app.run, which ends by sys.exit.
SUMMARIES = """\
import argparse, sys
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
FLAGS = None


def main(_):
    if tf.gfile.Exists(FLAGS.log_dir):
        tf.gfile.DeleteRecursively(FLAGS.log_dir)
    tf.gfile.MakeDirs(FLAGS.log_dir)
    random = np.random.default_rng(1)
    images = random.random((200, 64), np.float32)
    labels = images[:, :10].argmax(1)
    session = tf.InteractiveSession()
    with tf.name_scope("input"):
        x = tf.placeholder(tf.float32, [None, 64], name="x-input")
        y_ = tf.placeholder(tf.int64, [None], name="y-input")
    weights = tf.Variable(tf.truncated_normal([64, 10], stddev=0.1))
    tf.summary.histogram("weights", weights)
    y = tf.matmul(x, weights) + tf.Variable(tf.constant(0.1, shape=[10]))
    loss = tf.losses.sparse_softmax_cross_entropy(labels=y_, logits=y)
    tf.summary.scalar("cross_entropy", loss)
    step = tf.train.AdamOptimizer(FLAGS.learning_rate).minimize(loss)
    merged = tf.summary.merge_all()
    writers = {name: tf.summary.FileWriter(f"{FLAGS.log_dir}/{name}", session.graph)
               for name in ("train", "test")}
    tf.global_variables_initializer().run()
    losses = []
    for i in range(FLAGS.max_steps):
        summary, now, _ = session.run([merged, loss, step], {x: images, y_: labels})
        writers["test" if i % 10 == 0 else "train"].add_summary(summary, i)
        losses.append(now)
    for writer in writers.values():
        writer.close()
    print("better", losses[-1] < losses[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_steps", type=int, default=1000)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--log_dir")
    FLAGS, unparsed = parser.parse_known_args()
    tf.app.run(main=main, argv=[sys.argv[0]] + unparsed)
"""


def test_a_script_with_sessions_and_summaries(tmp_path):
    argv = ["--max_steps", "30", "--log_dir", "logs"]
    end = Ended(tmp_path, SUMMARIES, compare=False, argv=argv)
    assert end.done and end.process.returncode == 0, end.process.stderr
    assert end.process.stdout == "better True\n"
    import tensorflow as tf

    for name, steps in {"train": 27, "test": 3}.items():
        [events] = (tmp_path / "logs" / name).iterdir()
        seen = [event.step for event in tf.compat.v1.train.summary_iterator(str(events))]
        assert len(set(seen)) >= steps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tf.placeholder(tf.float32)", "as tf.compat.v1.placeholder: import tensorflow.compat.v1"),
        ("tf.train.AdamOptimizer(0.1)", "tf.compat.v1.train.AdamOptimizer"),
        ("tf.losses.sparse_softmax_cross_entropy()", "v1.losses.sparse_softmax_cross_entropy"),
        ("tf.estimator.RunConfig()", "Estimators left TensorFlow with 2.16"),
        ("tf.compat.v1.estimator.RunConfig()", "Estimators left TensorFlow with 2.16"),
        ("tf.keras.estimator.model_to_estimator()", "Estimators left TensorFlow with 2.16"),
        ("from tensorflow import estimator", "Estimators left TensorFlow with 2.16"),
        ("import tensorflow_estimator", "Estimators left TensorFlow with 2.16"),
        ("tf.contrib.slim", "tf.contrib left TensorFlow with 2.0"),
        ("import tensorflow.contrib.slim", "tf.contrib left TensorFlow with 2.0"),
        ("from tensorflow.examples.tutorials.mnist import input_data", "tf.keras.datasets"),
        ("tf.compat.v1.layers.dense", "TF_USE_LEGACY_KERAS"),
    ],
)
def test_names_that_are_gone(text, words):
    import tensorflow as tf

    with pytest.raises((AttributeError, ImportError)) as raised:
        exec(text, {"tf": tf})
    own = f"{type(raised.value).__name__}: {raised.value}"
    assert ending.describe(raised.value).startswith(own.splitlines()[0] + " (")
    assert words in ending.describe(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "tf.placeholders",
        "tf.train.no_such",
        "object().estimator",
        "import no_estimator",
        "raise ValueError(\"module 'tensorflow' has no attribute 'placeholder'\")",
    ],
)
def test_other_names_stay_as_they_are(text):
    import tensorflow as tf

    with pytest.raises(Exception) as raised:
        exec(text, {"tf": tf})
    assert ending.describe(raised.value) == f"{type(raised.value).__name__}: {raised.value}"
