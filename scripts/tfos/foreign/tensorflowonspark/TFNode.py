"""TensorFlowOnSpark's TFNode: the same functions over tfos's `ctx`."""


class DataFeed:
    """The rows that Spark feeds this member, as TensorFlowOnSpark's DataFeed has them.

    Without input_mapping next_batch gives a list of rows, tuples in column order; with
    {column: name} it gives {name: [values]}. All DataFeeds of a program take turns at one feed.
    """

    def __init__(
        self, mgr, train_mode=True, qname_in="input", qname_out="output", input_mapping=None
    ):
        """mgr: ctx.mgr. qname_in, qname_out: tfos has these two alone."""
        if (qname_in, qname_out) != ("input", "output"):
            raise ValueError(
                f"DataFeed: queues {qname_in!r} and {qname_out!r}: tfos has one feed and one "
                "output: leave qname_in and qname_out out"
            )
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
    if rdma and ctx.parameters.protocol == "grpc":
        raise ValueError(
            "start_cluster_server: rdma=True: set protocol: grpc+verbs in the job file"
        )
    return ctx.start_cluster_server()


def export_saved_model(sess, export_dir, tag_set, signatures):
    """Save a TensorFlow 1 session: signatures is {key: {"inputs": {alias: tensor}, "outputs":
    {alias: tensor}, "method_name": text}}, tag_set has commas between tags."""
    import tensorflow.compat.v1 as tf

    def infos(tensors):
        return {
            alias: tf.saved_model.build_tensor_info(tensor) for alias, tensor in tensors.items()
        }

    graph = sess.graph
    graph._unsafe_unfinalize()  # MonitoredTrainingSession has finalized it
    with graph.as_default():
        builder = tf.saved_model.Builder(export_dir)
        definitions = {
            key: tf.saved_model.build_signature_def(
                infos(one["inputs"]), infos(one["outputs"]), one.get("method_name", key)
            )
            for key, one in signatures.items()
        }
        builder.add_meta_graph_and_variables(
            sess, tag_set.split(","), signature_def_map=definitions, clear_devices=True
        )
        builder.save()
    graph.finalize()


def _deprecated(*_, **__):
    raise RuntimeError(
        "TFNode.next_batch, batch_results and terminate are methods of TFNode.DataFeed"
    )


next_batch = batch_results = terminate = _deprecated
