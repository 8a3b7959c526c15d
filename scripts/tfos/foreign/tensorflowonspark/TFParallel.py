"""TensorFlowOnSpark's TFParallel: independent copies of a function."""

from tfos.dropin import elsewhere

run = elsewhere("TFParallel.run", "`tfos train job.yaml`, with strategy: independent")
