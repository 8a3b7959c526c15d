"""What the modules of scripts/tfos import of other packages, and when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from python_path import environment

TFOS = Path(__file__).resolve().parents[1] / "tfos"
THEIRS = {"keras", "numpy", "py4j", "pyarrow", "pyspark", "tensorflow"}
GRAPH = TFOS / "graph"  # what authors export with: no member imports it


def imports(path, at_start):
    """Names of modules that a file imports; at_start: as soon as it is imported itself."""
    found, nodes = set(), list(ast.parse(path.read_text()).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        nodes += ast.iter_child_nodes(node)
    return found


def of_others(names):
    """The packages among names that are neither Python's nor tfos's."""
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"tfos"}


def reached(module, at_start=True):
    """What `import tfos.<module>` imports, by way of others too: modules of tfos, and packages of
    others."""
    modules, packages, waiting = set(), set(), [module]
    while waiting:
        name = waiting.pop()
        path = TFOS / f"{name}.py"
        if name in modules or not path.exists():
            continue
        modules.add(name)
        names = imports(path, at_start)
        packages |= of_others(names)
        waiting += [one.removeprefix("tfos.") for one in names if one.startswith("tfos.")]
    return modules, packages


def test_packages_of_others():
    found = {}
    for path in TFOS.rglob("*.py"):
        found[path.relative_to(TFOS)] = of_others(imports(path, at_start=False))
    assert set().union(*found.values()) == THEIRS, found


@pytest.mark.parametrize(
    "path",
    sorted(path for path in TFOS.rglob("*.py") if GRAPH not in path.parents),
    ids=lambda path: str(path.relative_to(TFOS)),
)
def test_tensorflow_is_imported_when_it_is_needed(path):
    """A program that never asks for it starts without it."""
    at_start = imports(path, at_start=True)
    assert not of_others(at_start) & {"keras", "tensorflow"}
    assert not {name for name in imports(path, at_start=False) if name.startswith("tfos.graph")}


@pytest.mark.parametrize(
    ("module", "packages"),
    [
        ("start", {"pyspark", "py4j"}),  # a driver's Python may have no pyarrow
        ("program", set()),  # a program that is fed nothing may have neither
        ("frames", set()),
        ("versions", set()),
        ("feed", {"numpy", "pyarrow"}),
        ("feeder", {"pyarrow"}),
        ("predictor", {"pyarrow"}),
    ],
)
def test_what_an_import_needs(module, packages):
    assert reached(module)[1] == packages


def test_driver_workers_and_programs_share_what_is_for_all():
    """What Spark's Python workers run is imported by the driver only to be sent to them."""
    driver = reached("start")[0]
    workers = reached("feeder", at_start=False)[0] | reached("predictor", at_start=False)[0]
    program = reached("program", at_start=False)[0]
    assert driver & workers == set()
    assert driver & program == {"exits", "versions"}
    assert workers & program == {"frames"}


NUMBERS = """
import sys
import pyarrow as pa
from tfos import arrays, feeder
ints = pa.Array.from_buffers(pa.int64(), 2, [None, pa.py_buffer(bytes(16))])
batch = pa.RecordBatch.from_arrays([ints, ints.cast(pa.float32())], ["a", "b"])
arrays.to_numpy(arrays.to_arrays(batch, []))
feeder._array_of_one("x", pa.string()), feeder._array_of_one(None, pa.int64())
sys.exit("pandas" in sys.modules)
"""


def test_feeds_of_numbers_do_not_import_pandas():
    """It takes each program and each feed task half a second of CPU."""
    subprocess.run([sys.executable, "-c", NUMBERS], env=environment(TFOS.parent), check=True)
