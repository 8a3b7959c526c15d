"""What tfos says of versions, and that the page of them says what the matrix runs."""

import json
import pathlib
import subprocess
import sys

import pytest
from tfos import versions
from tfos.causes import lacks_pyarrow
from versions import document, environments
from versions.matrix import CELLS


@pytest.mark.parametrize(
    ("tensorflow", "numpy", "protobuf", "refused", "warning"),
    [
        (None, "2.1.3", "5.29.6", None, None),
        ("2.16.2", "1.26.4", "4.25.9", None, None),
        ("2.16.2", "1.26.4", "7.36.2", None, None),
        ("2.17.1", "2.0.0", "4.25.9", "pip install 'numpy<2'", None),
        ("2.18.1", "2.3.5", "4.25.8", None, None),
        ("2.19.1", "1.26.4", "5.29.6", None, None),
        ("2.20.0", "2.2.6", "4.25.8", "pip install 'protobuf>=5.28'", None),
        ("2.20.0", "2.2.6", "5.28.0", None, None),
        ("2.21.0", None, None, None, None),
        ("2.22.0rc1", "2.5.5", "7.36.2", None, "2.16 to 2.21, and here is 2.22.0rc1"),
        ("2.15.1", "1.26.4", "4.25.9", None, "2.16 to 2.21, and here is 2.15.1"),
    ],
)
def test_judge(tensorflow, numpy, protobuf, refused, warning):
    got = versions.judge(tensorflow, numpy, protobuf)
    for text, part in zip(got, (refused, warning), strict=True):
        assert (text is None) == (part is None)
        assert text is None or (part in text and tensorflow in text)


def test_facts_as_the_launcher_asks_for_them():
    source = pathlib.Path(versions.__file__).read_text()
    out = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    facts = json.loads(out.stdout)
    assert facts["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert facts["pyspark"].endswith("/pyspark")
    assert facts["tensorflow"].startswith("2.")
    assert facts["distutils"] and facts["refused"] is None


@pytest.mark.parametrize(
    ("message", "lacking"),
    [
        ("ModuleNotFoundError: No module named 'distutils'", True),
        (
            "RuntimeError: Python in worker has different version 3.10 than that in driver 3.12, "
            "PySpark cannot run with different minor versions. Please check",
            True,
        ),
        ("ValueError: bad", False),
    ],
)
def test_tasks_that_go_can_do(message, lacking):
    """Python tasks that cannot run, whose place the Go tasks take."""
    trace = f"Traceback (most recent call last):\n  File x\n{message}\n"
    assert bool(lacks_pyarrow(Exception(trace))) == lacking


def test_page():
    """docs/versions.md is what scripts/versions makes of the matrix."""
    page = environments.ROOT / "docs" / "versions.md"
    again = "PYTHONPATH=scripts .venv/bin/python -m versions --docs docs/versions.md"
    assert page.read_text() == document.page(), f"run {again}"


def test_every_cell_has_its_pins():
    for cell in CELLS:
        pins = document.pins(cell)
        assert pins["tensorflow-cpu"] == cell.tensorflow
        assert {"numpy", "protobuf", "pandas", "pyarrow"} <= pins.keys()
        refused, warning = versions.judge(cell.tensorflow, pins["numpy"], pins["protobuf"])
        assert refused is None and warning is None


def test_a_missing_python_is_named():
    with pytest.raises(environments.Missing, match=r"install python3\.99 and python3\.99-venv"):
        environments.interpreter("3.99")
