"""What tests run: the Go binaries, the tfos command. pyproject.toml puts scripts/ on the path."""

import collections
import os
import re

import pytest
import python_path
import remote
from converter import Converter


def pytest_configure():
    """All that is started from here on imports TensorFlow fast: pytest-xdist's processes too."""
    os.environ.update(python_path.environment(python_path.FAST_IMPORTS))


def pytest_collection_modifyitems(items):
    """Real Spark first, and files of many tests: what runs last is short, so that all processes
    of a session end at about the same time (with --no-loadscope-reorder). Two of the four begin
    without Spark, while the others wait for the archive of its classes."""
    tests = collections.Counter(item.path for item in items)

    def order(path):
        return "spark" not in path.parts, -tests[path], path

    paths = sorted(tests, key=order)
    without = [path for path in paths if "spark" not in path.parts][:2]
    paths = [path for path in paths if path not in without]
    place = {path: i for i, path in enumerate(paths[:2] + without + paths[2:])}
    items.sort(key=lambda item: place[item.path])


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


PLACES = ["local", *(pytest.param(name, marks=pytest.mark.stores) for name in remote.STORES)]


@pytest.fixture(scope="session", params=PLACES)
def convert(request, tmp_path_factory):
    """`tfos convert` with files of this machine, and with files on each store."""
    kind = remote.STORES.get(request.param)
    return Converter(kind and kind(tmp_path_factory.mktemp("conf")))


@pytest.fixture
def job(tmp_path_factory, request):
    """A Job in a short folder; whatever is left of it at the test's end is killed."""
    import harness

    folder = tmp_path_factory.mktemp("j")
    name = re.sub(r"\W+", "-", request.node.name)[:40].strip("-").lower()
    one = harness.Job(folder, name)
    yield one
    one.kill()
