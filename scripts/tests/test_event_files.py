"""Event files of internal/tensorboard, as TensorBoard's own readers see them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.directory_watcher import DirectoryWatcher
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

ROOT = Path(__file__).resolve().parents[2]
NOW = 1795983389.5
POINTS = [
    {"tag": f"{part}/{name}", "value": value * step, "step": step, "time": NOW + step / 64}
    for step in [1, 2, 5, 1 << 40]
    for part, name, value in [
        ("train", "loss", 0.1),
        ("train", "steps_per_s", -3e25),
        ("", "nan", float("nan")),
        ("text", "naïve 漢字", 0.0),
    ]
]


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """The test binary of internal/tensorboard, which writes what it is told to."""
    binary = tmp_path_factory.mktemp("writer") / "writer"
    command = ["go", "test", "-c", "-o", str(binary), "./internal/tensorboard"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return binary


class Writer:
    """A process that writes an event file."""

    def __init__(self, binary, folder, **more):
        setup = {"dir": str(folder), "host": "node-7", "now": NOW} | more
        self.process = subprocess.Popen(
            [str(binary)],
            env={**os.environ, "TFOS_EVENT_WRITER": json.dumps(setup)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def flush(self, points):
        """The points are in the file when it returns."""
        line = json.dumps([one | {"value": str(one["value"])} for one in points])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "\n"

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


def write(binary, folder, *flushes, **more):
    writer = Writer(binary, folder, **more)
    for points in flushes:
        writer.flush(points)
    writer.end()
    return max(Path(folder).iterdir())  # the last by name


def write_with_tensorflow(folder, points):
    with tf.summary.create_file_writer(str(folder)).as_default():
        for one in points:
            tf.summary.scalar(one["tag"], one["value"], step=one["step"])
    (path,) = folder.iterdir()
    return path


def curves(folder):
    """The points that TensorBoard shows: [(step, value)] by tag. NaN as text."""
    found = EventAccumulator(str(folder))
    found.Reload()
    assert found.PluginTagToContent("scalars").keys() == set(found.Tags()["tensors"])
    return {
        tag: [
            (one.step, str(float(tf.make_ndarray(one.tensor_proto)))) for one in found.Tensors(tag)
        ]
        for tag in found.Tags()["tensors"]
    }


def without_clock(path):
    events = list(tf.compat.v1.train.summary_iterator(str(path)))
    times = [event.wall_time for event in events]
    for event in events:
        event.ClearField("wall_time")
        event.ClearField("source_metadata")
    return events, times


def test_is_what_tensorflow_writes(binary, tmp_path):
    """Event by event, but for the clock and who has written it."""
    ours, times = without_clock(write(binary, tmp_path / "ours", POINTS[:3], [], POINTS[3:]))
    theirs, _ = without_clock(write_with_tensorflow(tmp_path / "theirs", POINTS))
    start = ours.pop(1)
    assert start.session_log.status == tf.compat.v1.SessionLog.START
    assert [str(event) for event in ours] == [str(event) for event in theirs]
    assert times == [NOW, NOW] + [one["time"] for one in POINTS]


def test_tensorboard_shows_the_same_curves(binary, tmp_path):
    write(binary, tmp_path / "ours", POINTS)
    write_with_tensorflow(tmp_path / "theirs", POINTS)
    shown = curves(tmp_path / "ours")
    assert shown == curves(tmp_path / "theirs")
    assert [step for step, _ in shown["train/loss"]] == [1, 2, 5, 1 << 40]


def test_a_killed_writer_leaves_what_it_has_flushed(binary, tmp_path):
    """TensorBoard reads it while it is written, and after the kill."""
    writer = Writer(binary, tmp_path)
    reader = DirectoryWatcher(str(tmp_path), EventFileLoader)
    try:
        writer.flush(POINTS[:4])
        assert len(list(reader.Load())) == 2 + 4
        writer.flush(POINTS[4:6])
        assert [one.step for one in reader.Load()] == [2, 2]
    finally:
        writer.process.send_signal(signal.SIGKILL)
        writer.process.wait()
    assert list(reader.Load()) == []
    assert sum(len(points) for points in curves(tmp_path).values()) == 6


def test_a_file_that_is_cut_off_is_readable_to_there(binary, tmp_path):
    path = write(binary, tmp_path, POINTS[:2])
    path.write_bytes(path.read_bytes()[:-1])
    assert curves(tmp_path) == {"train/loss": [(1, str(float(tf.constant(0.1))))]}


def test_points_of_a_run_that_was_lost_are_forgotten(binary, tmp_path):
    """A run is killed at step 5, and the next begins with the checkpoint of step 2."""

    def point(step, value):
        return {"tag": "loss", "value": value, "step": step, "time": NOW + step}

    write(binary, tmp_path, [point(step, 1.0) for step in [1, 2, 3, 4, 5]])
    write(binary, tmp_path, [point(step, 2.0) for step in [3, 4]], now=NOW + 60, done=2)
    assert curves(tmp_path) == {"loss": [(1, "1.0"), (2, "1.0"), (3, "2.0"), (4, "2.0")]}
