"""TensorFlowOnSpark's TFNode: the same functions over tfos's `ctx`."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from tfos.context import Context, Manager, check_queues


class DataFeed:
    """The rows that Spark feeds this member, as TensorFlowOnSpark's DataFeed has them.

    Without input_mapping next_batch gives a list of rows, tuples in column order; with
    {column: name} it gives {name: [values]}. All DataFeeds of a program take turns at one feed.
    """

    def __init__(
        self,
        mgr: Manager,
        train_mode: bool = True,
        qname_in: str = "input",
        qname_out: str = "output",
        input_mapping: Mapping[str, str] | None = None,
    ) -> None:
        """mgr: ctx.mgr. qname_in, qname_out: tfos has these two alone."""
        check_queues(qname_in, qname_out)
        self.mgr, self.train_mode = mgr, train_mode
        self.qname_in, self.qname_out = qname_in, qname_out
        self._feed = mgr.open_feed(train_mode, input_mapping)

    def next_batch(self, batch_size: int) -> dict[str, list[Any]] | Any:
        return self._feed.next_batch(batch_size)

    def should_stop(self) -> bool:
        return self._feed.should_stop()

    def batch_results(self, results: Iterable[Any]) -> None:
        """Appends to the job's output.path, as TFCluster.inference() would return them."""
        self.mgr.write_results(results)

    def terminate(self) -> None:
        self._feed.terminate()


def hdfs_path(ctx: Context, path: str) -> str:
    return ctx.hdfs_path(path)


def start_cluster_server(ctx: Context, num_gpus: int = 1, rdma: bool = False) -> tuple[Any, Any]:
    """(tf.train.ClusterSpec, started server). num_gpus says how many a member may use, if its
    machine has any: the program sees those that its executor has."""
    return ctx.start_cluster_server(num_gpus, rdma)


def export_saved_model(
    sess: Any, export_dir: str, tag_set: str, signatures: Mapping[str, Mapping[str, Any]]
) -> None:
    from tfos import sessions

    sessions.export(sess, export_dir, tag_set, signatures)


def _deprecated(*_: object, **__: object) -> NoReturn:
    raise RuntimeError(
        "TFNode.next_batch, batch_results and terminate are methods of TFNode.DataFeed"
    )


next_batch = batch_results = terminate = _deprecated
