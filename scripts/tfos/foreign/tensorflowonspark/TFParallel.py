"""TensorFlowOnSpark's TFParallel: independent copies of a function."""

from ._elsewhere import elsewhere

run = elsewhere("TFParallel.run", "`tfos train job.yaml`, with strategy: independent")
