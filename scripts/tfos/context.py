"""`ctx`: what main_fun(args, ctx) knows of its place in the cluster, and its data."""

import argparse
import os

from tfos.feed import DataFeed, FeedClient


class Context:
    """One member's view of the run.

    job_name     its job in the cluster: ps, chief, worker or evaluator
    task_index   its index in that job, from 0
    worker_num   its number in the whole cluster, from 0
    cluster      job name -> addresses, as in TF_CONFIG
    num_workers  how many members do training work (chief and workers)
    is_chief     whether this member saves and exports
    parameters   the job's parameters (batch_size, model_dir, export_dir, ...) as attributes:
                 what args has too, unless app.python.args is a list
    server       None: TensorFlow 2 starts its own server
    """

    server = None

    def __init__(self, told, socket):
        """told: the CONTEXT frame (docs/protocols.md section 5); socket: the member's path."""
        self._socket = socket
        self._output = told["context"].get("output")
        self._clients, self._data_feed = {}, None
        self.job_name = told["job_name"]
        self.task_index = told["task_index"]
        self.worker_num = told["worker_num"]
        self.cluster = told["cluster"]
        self.num_workers = len(self.cluster.get("chief", [])) + len(self.cluster.get("worker", []))
        first = "chief" if self.cluster.get("chief") else "worker"
        self.is_chief = (self.job_name, self.task_index) == (first, 0)
        self.parameters = argparse.Namespace(**told["context"]["parameters"])
        if not self.is_chief:
            self.parameters.export_dir = None  # one member exports

    def next_batch(self, size, feed="train"):
        """The next rows of a feed: {tensor name: numpy array [rows, ...]}.

        size rows, fewer at the feed's end, None after it. Blocks until they are there.
        """
        return self._client(feed).next_batch(size)

    def dataset(self, batch_size, feed="train"):
        """The feed as a tf.data.Dataset of {tensor name: tensor [batch_size, ...]}.

        It can be read once: the feed repeats the input for the job's epochs. Auto-sharding is
        off, because every worker is fed rows of its own.
        """
        return self._client(feed).dataset(batch_size)

    def get_data_feed(self, train_mode=True, input_mapping=None):
        """TensorFlowOnSpark's DataFeed over the feed "train", one a program.

        next_batch, should_stop, terminate, and batch_results, which writes to the job's
        output.path. input_mapping: column -> name in batches; the job's when not given.
        """
        if self._data_feed is None:
            client = self._client("train")
            self._data_feed = DataFeed(
                client,
                train=train_mode,
                input_mapping=input_mapping or dict(client.mapping),
                output=self._output,
                job_name=self.job_name,
                task_index=self.task_index,
            )
        return self._data_feed

    def tf_path(self, path):
        """path as TensorFlow on this member takes it: URLs as they are, else absolute."""
        return path if "://" in path else os.path.abspath(path)

    absolute_path = tf_path  # TensorFlowOnSpark's name

    def close(self):
        """Complete results and let go of the feeds; rows not handed out count as dropped."""
        if self._data_feed is not None:
            self._data_feed.close()
        for client in self._clients.values():
            client.close()

    def data_error(self):
        """The error in the fed data that stopped a feed, or None.

        TensorFlow hides it from the program: a dataset's exception arrives as an
        InvalidArgumentError with a page of graph.
        """
        errors = (client.data_error for client in self._clients.values())
        return next((err for err in errors if err), None)

    def _client(self, feed):
        if feed not in self._clients:
            self._clients[feed] = FeedClient(self._socket, feed)
        return self._clients[feed]
