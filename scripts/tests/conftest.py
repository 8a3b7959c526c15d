"""What tests run: the Go binaries, the tfos command. pyproject.toml puts scripts/ on the path."""

import collections
import os
import re
import zlib

import pytest
import python_path
import remote
from converter import Converter


def pytest_configure():
    """All that is started from here on imports TensorFlow fast: pytest-xdist's processes too."""
    os.environ.update(python_path.environment(python_path.FAST_IMPORTS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """--dist loadfile, but the tests of test_stores*.py on one store are a unit each: they mostly
    wait for leases."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OfStores(LoadFileScheduling):
        def _split_scope(self, nodeid):
            store = re.search(rf"/test_stores\w*\.py::.*\b({'|'.join(remote.STORES)})\b", nodeid)
            return super()._split_scope(nodeid) + (f"[{store[1]}]" if store else "")

    return OfStores(config, log)


def pytest_collection_modifyitems(items):
    """What waits for leases first, then real Spark, and files of many tests: what runs last is
    short, so that all processes of a session end at about the same time (with
    --no-loadscope-reorder). Two begin without Spark, while the others wait for the archive of its
    classes."""
    tests = collections.Counter(item.path for item in items)
    marked = {
        name: {item.path for item in items if item.get_closest_marker(name)}
        for name in ("leases", "spark")
    }

    def order(path):
        return path not in marked["leases"], path not in marked["spark"], -tests[path], path

    paths = sorted(tests, key=order)
    without = [path for path in paths if path not in marked["spark"]][:2]
    paths = [path for path in paths if path not in without]
    place = {path: i for i, path in enumerate(paths[:2] + without + paths[2:])}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="module", autouse=True)
def shared_jvm_classes(request):
    """JVMs of a module's Spark tests start in half the time. Spark keeps its own options in other
    variables.

    A module's, because tests without Spark follow in the same process. Not with YARN: JVMs map no
    archive when folders of configuration are on their class path."""
    items = [item for item in request.session.items if item.path == request.path]
    marked = any(item.get_closest_marker("spark") for item in items)
    if not marked or "TFOS_TEST_YARN" in os.environ:
        yield
        return
    import jvm_classes

    options = f"{os.environ.get('JAVA_TOOL_OPTIONS', '')} {jvm_classes.options()}".strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", options)
        yield


@pytest.fixture(scope="session")
def member_binary(tmp_path_factory):
    """The Go member that the feed tests run against: one for all processes of a session."""
    import member

    own = tmp_path_factory.getbasetemp()
    return member.build(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def node_binary():
    """tfos-node, whose `feed` is the feed task in Go."""
    import piped

    return piped.BINARY


@pytest.fixture(scope="session")
def tensorflow_python(tmp_path_factory):
    """A python3 for `-c CODE ARG…` that has TensorFlow imported: saves 2 to 5 s of CPU each time.
    warm.script has the arguments for a script."""
    import harness
    import warm

    with warm.python(harness.PYTHON, tmp_path_factory.mktemp("w")) as folder:
        yield os.path.join(folder, "python3")


@pytest.fixture(scope="session", params=["local", *remote.stores("s3")])
def convert(request, tmp_path_factory):
    """`tfos convert` with files of this machine, and with files on each store."""
    kind = remote.STORES.get(request.param)
    return Converter(kind and kind(tmp_path_factory.mktemp("conf")))


@pytest.fixture(scope="module", params=remote.stores("hdfs", "s3"))
def held(request, tmp_path_factory):
    """A store behind a proxy that holds a call, so that a test can kill a process in it."""
    import stalling

    store = remote.STORES[request.param](tmp_path_factory.mktemp("conf"))
    one = stalling.Held(request.param, store, tmp_path_factory.mktemp("held"))
    yield one
    one.proxy.close()


@pytest.fixture(scope="session")
def graph_program(tmp_path_factory):
    """A folder with a graph program, model, and its rows, rows.parquet."""
    import graph_models
    from tfos.graph import export_training

    folder = tmp_path_factory.mktemp("g")
    made, arguments = graph_models.wide_and_deep()
    export_training(made, path=str(folder / "model"), **arguments)
    rows = graph_models.batches(400, graph_models.ratings)
    graph_models.write(folder / "rows.parquet", rows)
    return folder


@pytest.fixture
def job(tmp_path_factory, request):
    """A Job in a short folder; whatever is left of it at the test's end is killed."""
    import harness

    folder = tmp_path_factory.mktemp("j")
    node = request.node  # parameters may come to lie behind the end of the name
    name = re.sub(r"\W+", "-", node.name)[:34].strip("-").lower()
    name += f"-{zlib.crc32(node.nodeid.encode()) & 0xFFFF:04x}"
    one = harness.Job(folder, name)
    yield one
    one.kill()
