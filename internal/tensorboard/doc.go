// Package tensorboard writes event files, which TensorBoard shows as curves.
//
// Comes in: scalars, each with a tag, a step and a time. Goes out: a file
// events.out.tfevents.<seconds>.<host> of tf.Event messages in TFRecord's frames
// (tensorflow/core/util/event.proto, internal/recordio). A scalar is written as
// tf.summary.scalar of TensorFlow 2 writes it.
//
// The package has no clock, and writes nothing until it is told to flush.
package tensorboard
