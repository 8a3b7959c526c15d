"""keras.fit on numpy arrays in memory: arguments as they are by default, but for config.batch."""

import glob
import sys
import time

import numpy as np
import peer
import pyarrow.parquet as pq


def measure(config):
    sys.path.insert(0, config.programs)
    import mlp

    files = sorted(glob.glob(config.path + "/*.parquet"))
    table = pq.read_table(files)
    images = np.concatenate(
        [np.asarray(c.flatten()).reshape(len(c), -1) for c in table["image"].chunks]
    )
    labels = table["label"].to_numpy()
    timer = mlp.EpochTimer()
    used = time.process_time()
    mlp.compiled().fit(
        images,
        labels,
        batch_size=config.batch,
        epochs=config.passes,
        verbose=0,
        callbacks=[timer],
    )
    used = time.process_time() - used
    cpu = used / (len(images) * config.passes) * 1e6
    return {"rates": timer.rates(len(images)), "cpu_us": cpu}


if __name__ == "__main__":
    peer.main(measure)
