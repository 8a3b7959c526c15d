"""A distributed TensorFlow script that knows nothing of tfos: TF_CONFIG is all it reads.

The loop is that of TensorFlow's guide "Custom training loop with Keras and
MultiWorkerMirroredStrategy"; every worker reads its share of the files.
"""

import argparse
import json
import os
import tempfile

import keras
import tensorflow as tf
from keras import layers

FEATURES = {
    "image": tf.io.FixedLenFeature([64], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="folder of TFRecords")
    parser.add_argument("--model-dir", required=True, help="folder of checkpoints")
    parser.add_argument("--batch-size", type=int, default=32, help="rows per worker and step")
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    global_batch = args.batch_size * strategy.num_replicas_in_sync
    with strategy.scope():
        model = build_model()
        optimizer = keras.optimizers.Adam(0.003)
        optimizer.build(model.trainable_variables)
        epoch = tf.Variable(0, name="epoch", trainable=False)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(reduction=None)

    def replica_step(row):
        with tf.GradientTape() as tape:
            losses = cross_entropy(row["label"], model(row["image"], training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=global_batch)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function(reduce_retracing=True)
    def train_step(row):
        return strategy.reduce("sum", strategy.run(replica_step, (row,)), axis=None)

    print("TF_CONFIG", os.environ["TF_CONFIG"], flush=True)
    task = json.loads(os.environ["TF_CONFIG"])["task"]
    is_chief = task["type"] == "chief" or (task["type"] == "worker" and task["index"] == 0)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=epoch)
    # Every worker must save; what the others write is not kept.
    folder = args.model_dir if is_chief else tempfile.mkdtemp()
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3)
    checkpoint.restore(tf.train.latest_checkpoint(args.model_dir))

    data = strategy.distribute_datasets_from_function(lambda context: dataset(args, context))
    print(f"{task['type']}:{task['index']} starts at epoch {int(epoch.numpy())}", flush=True)
    while epoch.numpy() < args.epochs:
        losses = [float(train_step(row)) for row in data]
        epoch.assign_add(1)
        manager.save(int(epoch.numpy()))
        print(f"epoch {epoch.numpy()}: loss {sum(losses) / len(losses):.3f}", flush=True)


def dataset(args, context):
    """This worker's share of the records, in batches of one replica."""
    files = tf.data.Dataset.list_files(os.path.join(args.data, "*.tfrecord"), shuffle=False)
    files = files.shard(context.num_input_pipelines, context.input_pipeline_id)
    batch = context.get_per_replica_batch_size(args.batch_size * context.num_replicas_in_sync)
    data = tf.data.TFRecordDataset(files).shuffle(2000, seed=1).batch(batch)
    return data.map(lambda records: tf.io.parse_example(records, FEATURES))


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


if __name__ == "__main__":
    main()
