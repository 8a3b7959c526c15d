"""What a Python has for tfos, and what of it cannot work together.

The launcher runs this text by `python -c`: it prints facts() as JSON and imports no package.
tfos.program calls check() before it imports a program. It runs on Python 3.6 and newer: a Python
that is too old for tfos gets that far, and the launcher can say so.
"""

import importlib.util
import json
import re
import sys

# What tfos is run with: scripts/versions/matrix.py. Others may work.
OLDEST_TENSORFLOW, NEWEST_TENSORFLOW = (2, 16), (2, 21)
# The distributions that bring the package tensorflow.
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm", "tf-nightly")


class VersionError(Exception):
    """Packages that cannot work together; the message says what to install."""


def facts():
    """Versions and places of what matters to tfos; None for what is not there."""
    tensorflow = next(filter(None, map(installed, TENSORFLOWS)), None)
    refused, warning = judge(tensorflow, installed("numpy"), installed("protobuf"))
    return {
        "python": dotted(sys.version_info[:2]),
        "pyspark": folder("pyspark"),
        # pandas' and pyarrow's versions, which PySpark before 4 reads with it; of setuptools
        # from Python 3.12 on.
        "distutils": importlib.util.find_spec("distutils") is not None,
        "tensorflow": tensorflow,
        "refused": refused,
        "warning": warning,
    }


def check():
    """VersionError: TensorFlow here cannot be imported.

    Returns what is odd with it, in a line; None: nothing.
    """
    found = facts()
    if found["refused"]:
        raise VersionError(found["refused"])
    return found["warning"]


def judge(tensorflow, numpy, protobuf):
    """(why a Python program cannot use this TensorFlow, what is odd with it); None: nothing.

    All are versions as their packages spell them, or None.
    """
    if tensorflow is None:
        return None, None
    release = parts(tensorflow)
    # Its modules were compiled against numpy 1: their import ends in an ImportError of numpy's,
    # or in a crash.
    if release < (2, 18) and numpy and parts(numpy) >= (2, 0):
        return clash(tensorflow, "numpy", numpy, "<2"), None
    # Its protos import google.protobuf.runtime_version.
    if release >= (2, 20) and protobuf and parts(protobuf) < (5, 28):
        return clash(tensorflow, "protobuf", protobuf, ">=5.28"), None
    if not OLDEST_TENSORFLOW <= release <= NEWEST_TENSORFLOW:
        return None, (
            f"tfos is tested with TensorFlow {dotted(OLDEST_TENSORFLOW)} to "
            f"{dotted(NEWEST_TENSORFLOW)}, and here is {tensorflow}"
        )
    return None, None


def clash(tensorflow, package, version, needed):
    return (
        f"TensorFlow {tensorflow} cannot be imported with {package} {version}: "
        f"pip install '{package}{needed}'"
    )


def installed(distribution):
    """The version of an installed distribution; None: there is none."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7, which tfos refuses
        return None
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def folder(package):
    """Where a package lies, without importing it: that takes seconds for some."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return places[0] if places else None


def parts(version):
    """(major, minor) of a version."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    return tuple([*numbers, 0, 0][:2])


def dotted(version):
    return ".".join(map(str, version))


if __name__ == "__main__":
    print(json.dumps(facts()))
