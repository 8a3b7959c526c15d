"""petastorm reads plain parquet with make_batch_reader: rows counted."""

import pathlib

import peer


def measure(config):
    from petastorm import make_batch_reader

    url = pathlib.Path(config.path).as_uri()

    def work():
        with make_batch_reader(url, num_epochs=1, workers_count=config.threads) as reader:
            rows = sum(len(batch.image) for batch in reader)
        if rows != config.rows:
            raise ValueError(f"{rows} rows read of {config.rows}")

    return {"rates": peer.rates(work, config.rows, config.passes)}


if __name__ == "__main__":
    peer.main(measure)
