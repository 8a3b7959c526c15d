"""Keras 3 fit under MultiWorkerMirroredStrategy: what does not work."""

import keras
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
rows = tf.data.Dataset.from_tensor_slices((tf.zeros((16, 4)), tf.zeros((16, 1))))
model.fit(rows.batch(8), verbose=0)
