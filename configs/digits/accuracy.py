"""Print the accuracy of the demo's predictions; exit 1 below 0.93."""

import sys

import numpy as np
import pyarrow.parquet as pq

predictions = pq.read_table(sys.argv[1])
output = next(name for name in predictions.column_names if name not in ("id", "label"))
guess = np.array(predictions[output].to_pylist()).argmax(axis=1)
accuracy = float((guess == predictions["label"].to_numpy()).mean())
print(f"accuracy on {len(guess)} held-out digits: {accuracy:.3f}")
sys.exit(accuracy < 0.93)
