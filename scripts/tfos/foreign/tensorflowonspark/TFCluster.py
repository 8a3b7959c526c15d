"""TensorFlowOnSpark's TFCluster: what starts a cluster, which tfos does."""

from tfos.dropin import elsewhere


class InputMode:
    TENSORFLOW = 0
    SPARK = 1


run = elsewhere("TFCluster.run", "`tfos train job.yaml`, with app.python.function: main_fun")
