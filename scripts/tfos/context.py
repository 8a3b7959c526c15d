"""`ctx`: what a program knows of its place in the cluster, its data and its outputs."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from tfos.feed import BaseFeed, DataFeed
    from tfos.frames import NodeConnection

VALIDATION = "validation"
LOOK_SECONDS = 1  # between two looks for a new checkpoint


class Context:
    """One member's view of the run. Names in brackets are TensorFlowOnSpark's for the same.

    job_name     its job in the cluster: ps, chief, worker or evaluator
    task_index   its index in that job, from 0
    worker_num   its number among all members, from 0 [executor_id]
    cluster      job name -> addresses, as in TF_CONFIG: without the evaluator [cluster_spec]
    num_workers  how many members are chief or worker
    is_chief     whether this member saves and exports: the chief, or worker 0 without one
    parameters   the job's parameters (batch_size, model_dir, export_dir, ...) as attributes:
                 what args has too, unless app.python.args is a list. Of a model_dir on a
                 store, model_dir is a local folder that tfos keeps alike, and model_url the URL
    working_dir  folder of the job file, where relative paths start
    default_fs   Spark's fs.defaultFS [defaultFS]
    user         who runs this process
    server       None: TensorFlow 2 starts its own server
    mgr          stands for TensorFlowOnSpark's manager: TFNode.DataFeed(ctx.mgr) works
    """

    server: None = None

    def __init__(self, node: NodeConnection, socket: str) -> None:
        """node: the NodeConnection to the member; socket: its path."""
        told = node.context
        settings = told["context"]
        self._node, self._socket = node, socket
        self._work = os.path.dirname(socket)  # the member's folder, gone with it
        self._output: str | None = settings.get("output")
        self._data_feed: DataFeed | None = None
        self.mgr = Manager(self)
        self.job_name: str = told["job_name"]
        self.task_index: int = told["task_index"]
        self.worker_num: int = told["worker_num"]
        self.executor_id: int = self.worker_num
        self.cluster: dict[str, list[str]] = told["cluster"]
        self.cluster_spec: dict[str, list[str]] = self.cluster
        self.num_workers = len(self.cluster.get("chief", [])) + len(self.cluster.get("worker", []))
        first = "chief" if self.cluster.get("chief") else "worker"
        self.is_chief = (self.job_name, self.task_index) == (first, 0)
        self.working_dir: str = settings.get("working_dir") or os.getcwd()
        self.default_fs: str = settings.get("default_fs") or "file:///"
        self.defaultFS: str = self.default_fs
        self.parameters = argparse.Namespace(**settings["parameters"])
        mirrored = getattr(self.parameters, "model_url", None)
        # Of this host, whatever the default file system is: a folder, and names that begin as
        # export_dir does (export_dir + ".keras").
        self._here_in: str | None = self.parameters.model_dir if mirrored else None
        self._here_from: str | None = None
        for name in ("model_dir", "input_path", "validation_path"):
            path = getattr(self.parameters, name, None)
            if path and not (name == "model_dir" and mirrored):
                setattr(self.parameters, name, self.tf_path(path))
        if self.parameters.export_dir and not self.is_chief:
            self.parameters.export_dir = self._throw_away()
        elif self.parameters.export_dir:
            # A file beside it (export_dir + ".keras") is opened without making folders.
            os.makedirs(os.path.dirname(os.path.abspath(self.parameters.export_dir)), exist_ok=True)
        if self.parameters.export_dir:
            self._here_from = os.path.abspath(self.parameters.export_dir)
        self._feeds: dict[str, BaseFeed] = {}
        if VALIDATION in [feed["name"] for feed in told["feeds"] or []]:
            # Its rows come first and are put aside, whatever the program is doing.
            from tfos.replay import ReplayFeed

            self._feeds[VALIDATION] = ReplayFeed(socket, VALIDATION, self._work)

    @property
    def user(self) -> str:
        return getpass.getuser()

    # Rows that Spark feeds.

    def next_batch(self, size: int, feed: str = "train") -> dict[str, np.ndarray] | None:
        """The next rows of a feed: {tensor name: numpy array [rows, ...]}.

        size rows, fewer at the feed's end, None after it. Blocks until they are there. "train"
        is every epoch in turn; "validation" begins again after its None.
        """
        return self._feed(feed).next_batch(size)

    def dataset(
        self, batch_size: int, feed: str = "train", per_worker: bool = False
    ) -> tf.data.Dataset:
        """The feed as a tf.data.Dataset of {tensor name: tensor [rows, ...]}.

        Auto-sharding is off, because every worker is fed rows of its own. One pass over "train"
        is all epochs of the job and cannot be repeated; each pass over "validation" is all rows
        that this member has of it. A batch has batch_size rows, and under all_reduce batch_size
        x workers, because MultiWorkerMirroredStrategy takes it for the batch of all workers and
        hands each replica its part. per_worker: batch_size there too, as
        strategy.distribute_datasets_from_function wants it.
        """
        together = self.parameters.strategy == "all_reduce" and self.job_name != "evaluator"
        workers = self.num_workers if together and not per_worker else 1
        return self._feed(feed).dataset(batch_size * workers)

    def get_data_feed(
        self,
        train_mode: bool = True,
        qname_in: str = "input",
        qname_out: str = "output",
        input_mapping: Mapping[str, str] | None = None,
    ) -> DataFeed:
        """TensorFlowOnSpark's DataFeed over the feed "train", one a program.

        next_batch, should_stop, terminate, and batch_results, which writes to the job's
        output.path. input_mapping: column -> name in batches; the job's when not given.
        qname_in, qname_out: tfos has these two alone.
        """
        check_queues(qname_in, qname_out)
        if self._data_feed is None:
            mapping = input_mapping or dict(self._feed("train").mapping)
            self._data_feed = self._open_data_feed(train_mode, mapping)
        return self._data_feed

    def _open_data_feed(self, train_mode: bool, mapping: Mapping[str, str] | None) -> DataFeed:
        """A DataFeed over the feed "train"; without mapping its batches are lists of rows."""
        from tfos.feed import DataFeed

        return DataFeed(
            self._feed("train"),
            train=train_mode,
            input_mapping=mapping,
            output=self._output,
            job_name=self.job_name,
            task_index=self.task_index,
        )

    # Files.

    def tf_path(self, path: str) -> str:
        """path as TensorFlow on every member takes it.

        URLs as they are, and what lies in the folder that stands for a model_dir on a store, or
        begins as export_dir; relative paths from working_dir; then with the scheme of default_fs,
        unless that is the local file system.
        """
        if "://" in path or self._is_here(path):
            return path
        path = os.path.normpath(os.path.join(self.working_dir, path))
        scheme = self.default_fs.partition(":")[0]
        return path if scheme == "file" else self.default_fs.rstrip("/") + path

    absolute_path = hdfs_path = tf_path

    def _is_here(self, path: str) -> bool:
        """Whether path is of this host, whatever the default file system is."""
        if self._here_in and (path + "/").startswith(self._here_in + "/"):
            return True
        return self._here_from is not None and path.startswith(self._here_from)

    def checkpoints(self, folder: str | None = None) -> Iterator[str]:
        """Each checkpoint of a folder as it is completed: for the evaluator.

        Yields paths for tf.train.Checkpoint.restore, oldest first, until training has ended and
        the last one was yielded; one that tf.train.CheckpointManager deletes before its turn is
        left out. The run waits for the member that is in this loop. folder: model_dir if None.
        """
        if self.job_name != "evaluator":  # it would wait for an end that waits for it
            raise RuntimeError(f"checkpoints: for the evaluator, and this is a {self.job_name}")
        folder = self.tf_path(folder) if folder else self.parameters.model_dir
        if not folder:
            raise RuntimeError("checkpoints: set model_dir in the job, or name a folder")
        self._node.phase("evaluating")
        import tensorflow as tf

        seen: set[str] = set()
        while True:
            ended = self._node.training_ended(LOOK_SECONDS)
            state = tf.train.get_checkpoint_state(folder)
            for path in state.all_model_checkpoint_paths if state else []:
                if path not in seen and tf.io.gfile.exists(path + ".index"):
                    print(f"tfos: checkpoint {path}", flush=True)  # a sign of life
                    yield path
                seen.add(path)
            if ended:
                return

    def export_saved_model(
        self,
        model: Any,
        export_dir: str | None = None,
        tag_set: str = "serve",
        signatures: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Save model as a SavedModel at export_dir, the job's if None.

        On every member but the chief into a folder that is thrown away: strategies of several
        workers want all of them to save. A Keras model gets the signature serving_default.
        With signatures, model is a session of TensorFlow 1, as tfos.sessions.export has it.
        """
        target = self.parameters.export_dir
        if export_dir and export_dir != target:
            target = self.tf_path(export_dir) if self.is_chief else self._throw_away()
        if not target:
            raise RuntimeError("export_saved_model: the job has no export_dir")
        if signatures is not None:
            from tfos import sessions

            sessions.export(model, target, tag_set, signatures)
        elif callable(getattr(model, "export", None)):
            model.export(target)
        else:
            import tensorflow as tf

            tf.saved_model.save(model, target)

    @property
    def throw_away_dir(self) -> str:
        """A folder for what this member saves and nobody wants; it goes with the member."""
        return self._throw_away()

    def _throw_away(self) -> str:
        return os.path.join(self._work, "export")

    # The cluster.

    def start_cluster_server(
        self, num_gpus: int = 1, rdma: bool = False
    ) -> tuple[tf.train.ClusterSpec, tf.distribute.Server]:
        """(tf.train.ClusterSpec, started tf.distribute.Server) of this member.

        For parameter servers and the workers that a chief schedules: server.join() then waits
        until the run ends. They need more inter-op threads than callers wait at them.
        num_gpus, rdma: TensorFlowOnSpark's. A program sees the GPUs that its executor has, and
        rdma is the job's protocol.
        """
        if rdma and self.parameters.protocol == "grpc":
            raise ValueError(
                "start_cluster_server: rdma=True: set protocol: grpc+verbs in the job file"
            )
        import tensorflow as tf

        cluster = tf.train.ClusterSpec(self.cluster)
        threads = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=self.num_workers + 1)
        protocol = self.parameters.protocol
        try:
            server = tf.distribute.Server(
                cluster, self.job_name, self.task_index, protocol=protocol, config=threads
            )
        except tf.errors.NotFoundError as err:
            raise RuntimeError(
                f"protocol {protocol}: this TensorFlow has no server for it: "
                "use protocol: grpc, or a TensorFlow built with it"
            ) from err
        return cluster, server

    def release_port(self) -> None:
        """TensorFlowOnSpark's; nothing to do: TensorFlow's server takes the port by itself."""

    # The end; called by tfos.

    def close(self) -> None:
        """Complete results and let go of the feeds; rows not handed out count as dropped."""
        if self._data_feed is not None:
            self._data_feed.close()
        for feed in self._feeds.values():
            feed.close()

    def data_error(self) -> Exception | None:
        """The error in the fed data that stopped a feed, or None."""
        errors = (feed.data_error for feed in self._feeds.values())
        return next((err for err in errors if err), None)

    def _feed(self, name: str) -> BaseFeed:
        if name not in self._feeds:
            from tfos.feed import FeedClient  # numpy and pyarrow: only who is fed needs them

            self._feeds[name] = FeedClient(self._socket, name)
        return self._feeds[name]


def check_queues(qname_in: str, qname_out: str) -> None:
    if (qname_in, qname_out) != ("input", "output"):
        raise ValueError(
            f"DataFeed: queues {qname_in!r} and {qname_out!r}: tfos has one feed and one "
            "output: leave qname_in and qname_out out, and name input_mapping=..."
        )


class Manager:
    """`ctx.mgr`: by it the shim's TFNode.DataFeed finds the feed (tfos.dropin)."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def open_feed(
        self, train_mode: bool = True, input_mapping: Mapping[str, str] | None = None
    ) -> DataFeed:
        """Batches of all feeds opened here are of one feed, each row in one of them."""
        return self._ctx._open_data_feed(train_mode, input_mapping)

    def write_results(self, results: Iterable[Any]) -> None:
        """All results of a program go to one file, which the context completes."""
        self._ctx.get_data_feed().batch_results(results)

    def get_queue(self, name: str) -> NoReturn:
        raise RuntimeError(
            f"ctx.mgr has no queue {name!r}: the installed tensorflowonspark cannot read tfos's "
            "feed. Call ctx.get_data_feed(), or run the program without that package: tfos has "
            "a TFNode of its own (docs/migration.md)"
        )
