"""TensorFlowOnSpark's TFNode: the same functions over tfos's `ctx`."""

from tfos.context import check_queues


class DataFeed:
    """The rows that Spark feeds this member, as TensorFlowOnSpark's DataFeed has them.

    Without input_mapping next_batch gives a list of rows, tuples in column order; with
    {column: name} it gives {name: [values]}. All DataFeeds of a program take turns at one feed.
    """

    def __init__(
        self, mgr, train_mode=True, qname_in="input", qname_out="output", input_mapping=None
    ):
        """mgr: ctx.mgr. qname_in, qname_out: tfos has these two alone."""
        check_queues(qname_in, qname_out)
        self.mgr, self.train_mode = mgr, train_mode
        self.qname_in, self.qname_out = qname_in, qname_out
        self._feed = mgr.open_feed(train_mode, input_mapping)

    def next_batch(self, batch_size):
        return self._feed.next_batch(batch_size)

    def should_stop(self):
        return self._feed.should_stop()

    def batch_results(self, results):
        """Appends to the job's output.path, as TFCluster.inference() would return them."""
        self.mgr.write_results(results)

    def terminate(self):
        self._feed.terminate()


def hdfs_path(ctx, path):
    return ctx.hdfs_path(path)


def start_cluster_server(ctx, num_gpus=1, rdma=False):
    """(tf.train.ClusterSpec, started server). num_gpus says how many a member may use, if its
    machine has any: the program sees those that its executor has."""
    return ctx.start_cluster_server(num_gpus, rdma)


def export_saved_model(sess, export_dir, tag_set, signatures):
    from tfos import sessions

    sessions.export(sess, export_dir, tag_set, signatures)


def _deprecated(*_, **__):
    raise RuntimeError(
        "TFNode.next_batch, batch_results and terminate are methods of TFNode.DataFeed"
    )


next_batch = batch_results = terminate = _deprecated
