"""The Go binaries that tests run against. pyproject.toml puts scripts/ on the path."""

import pytest


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
