"""The matrix of versions: which TensorFlow, Python and Spark tfos is run with, and where."""
