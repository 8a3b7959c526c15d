"""TensorFlowOnSpark's dfutil: TFRecords to DataFrames and back, on a driver."""

from tfos.dropin import elsewhere

loadTFRecords = elsewhere("dfutil.loadTFRecords", "`input: {path: folder, format: tfrecord}`")
saveAsTFRecords = elsewhere("dfutil.saveAsTFRecords", "`output: {path: folder, format: tfrecord}`")
