"""TensorFlowOnSpark's Spark ML pipelines: what trains and predicts from a driver."""

from tfos.dropin import elsewhere

TFEstimator = elsewhere("pipeline.TFEstimator", "`tfos train job.yaml`")
TFModel = elsewhere("pipeline.TFModel", "`tfos infer job.yaml`")
