"""Training graphs that run without Python: a model in, a SavedModel with a `train` signature out.

In: a Keras 3 model with its optimizer and loss, or a tf.Module with a train_step. Out: a
SavedModel as docs/graph-programs.md describes it. It runs where its author has TensorFlow and
Keras, once; nothing of it runs on executors.

`export` is the entry; `keras_program` and `module_program` are what can be exported; `trace`
makes graphs of them; `collective` averages gradients over a cluster; `updates` finds which
operations update which variable, and `fused` makes one operation of such an update; `devices` finds
the task of a variable; `saved` writes the SavedModel, and `saver` its operations that save and
restore.
"""

from tfos.graph.collective import all_reduce
from tfos.graph.errors import ExportError
from tfos.graph.export import export_training

__all__ = ["ExportError", "all_reduce", "export_training"]
