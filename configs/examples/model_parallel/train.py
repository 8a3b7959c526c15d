"""One model split over three members by devices, driven by the chief, fed by Spark.

    ps:0       an embedding of the grey levels
    worker:0   the lower layers
    worker:1   the upper layers and the loss

Workers and parameter server only serve. The chief calls one function; TensorFlow cuts it up and
runs every operation on the device that is named here. Activations and gradients go from member
to member, past the chief. model_dir/devices.json tells what is where.
"""

import json
import os

import keras
import tensorflow as tf
from keras import layers

DEVICES = ["/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"]


def build_parts():
    """The model's parts, in the order in which an image goes through them."""
    embedding = [layers.Embedding(17, 4), layers.Flatten()]
    lower = [layers.Dense(128, activation="relu")]
    upper = [layers.Dense(64, activation="relu"), layers.Dense(10)]  # logits
    return [
        keras.Sequential(embedding, name="embedding"),
        keras.Sequential(lower, name="lower"),
        keras.Sequential(upper, name="upper"),
    ]


class Stage:
    """A part of the model with all that belongs to it on one device."""

    def __init__(self, device, part, input_shape, learning_rate):
        self.device, self.part = device, part
        with tf.device(device):
            part.build(input_shape)
            self.optimizer = keras.optimizers.Adam(learning_rate, name=f"{part.name}_adam")
            self.optimizer.build(part.trainable_variables)  # Adam's moments

    def forward(self, value):
        """The part's output, and what takes its gradient, trains, and returns value's."""
        with tf.device(self.device), tf.GradientTape() as tape:
            tape.watch(value)
            output = self.part(value, training=True)

        def backward(gradient):
            with tf.device(self.device):
                variables = self.part.trainable_variables
                gradients, below = tape.gradient(output, (variables, value), gradient)
                self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
                return below

        return output, backward


def main_fun(args, ctx):
    if ctx.job_name == "chief":
        train(args, ctx)
    else:
        _, server = ctx.start_cluster_server()
        server.join()  # never returns: tfos stops the servers when the chief has succeeded


def train(args, ctx):
    cluster = tf.train.ClusterSpec(ctx.cluster)
    tf.config.experimental_connect_to_cluster(cluster, job_name="chief", task_index=0)
    tf.config.set_soft_device_placement(False)  # what cannot run on its device fails
    stages, shape = [], (None, 64)
    for device, part in zip(DEVICES, build_parts(), strict=True):
        stages.append(Stage(device, part, shape, args.learning_rate))
        shape = part.output_shape
    steps = tf.Variable(0, dtype=tf.int64)

    @tf.function(reduce_retracing=True)
    def train_step(image, label):
        value, back = image, []
        for stage in stages:
            value, backward = stage.forward(value)
            back.append(backward)
        with tf.device(DEVICES[-1]):
            with tf.GradientTape() as tape:
                tape.watch(value)
                loss = tf.reduce_mean(
                    keras.losses.sparse_categorical_crossentropy(label, value, from_logits=True)
                )
            gradient = tape.gradient(loss, value)
        for backward in reversed(back):
            gradient = backward(gradient)
        return loss

    folder = ctx.tf_path(args.model_dir)
    optimizers = [stage.optimizer for stage in stages]
    checkpoint = tf.train.Checkpoint(
        parts=[stage.part for stage in stages], optimizers=optimizers, steps=steps
    )
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3)
    manager.restore_or_initialize()
    print(f"chief: start at step {int(steps)}", flush=True)

    for batch in ctx.dataset(args.batch_size):
        loss = train_step(batch["image"], batch["label"])
        if steps.assign_add(1) % args.checkpoint_steps == 0:
            manager.save(steps)
            print(f"chief: step {int(steps)}, loss {loss:.3f}", flush=True)
    if steps % args.checkpoint_steps != 0:
        manager.save(steps)
    graph = train_step.get_concrete_function(batch["image"], batch["label"]).graph
    write_devices(folder, stages, graph)


def write_devices(folder, stages, graph):
    """The device of every variable, and of every operation of the step that was given one."""
    variables = [v for stage in stages for v in stage.part.variables + stage.optimizer.variables]
    devices = {
        "variables": {v.path: v.value.device for v in variables},
        "operations": {op.name: op.device for op in graph.get_operations() if op.device},
    }
    with tf.io.gfile.GFile(os.path.join(folder, "devices.json"), "w") as out:
        json.dump(devices, out, indent=1)


def export_fn(args, ctx):
    # From the last checkpoint into a model that is whole again.
    parts = build_parts()
    probabilities = layers.Softmax(name="probabilities")
    model = keras.Sequential([keras.Input((64,), name="image"), *parts, probabilities])
    latest = tf.train.latest_checkpoint(ctx.tf_path(args.model_dir))
    tf.train.Checkpoint(parts=parts).restore(latest).expect_partial()
    ctx.export_saved_model(model)
