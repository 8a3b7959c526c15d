"""Puts scripts/ on the path, so that tests import tfos as executors do, and the job harness."""

import sys
from pathlib import Path

import pytest

SCRIPTS = str(Path(__file__).resolve().parent.parent)
HARNESS = str(Path(__file__).resolve().parent / "spark")
for folder in (HARNESS, SCRIPTS):
    if folder not in sys.path:
        sys.path.insert(0, folder)


@pytest.fixture(scope="session")
def member_binary(tmp_path_factory):
    """The Go member that the feed tests run against."""
    import member

    return member.build(tmp_path_factory.mktemp("member"))


@pytest.fixture(scope="session")
def node_binary(tmp_path_factory):
    """tfos-node, whose `feed` is the feed task in Go."""
    import piped

    return piped.build(tmp_path_factory.mktemp("node"))
