"""What travels with a program: modules, relative imports, absolute paths, hints of what does not.

What a program sees is held against what plain Python shows it.
"""

import argparse
import json
import os
import subprocess
import sys

import pytest
from tfos import ending, hints, program


class Ctx:
    is_chief = True
    parameters = argparse.Namespace(model_dir="/m")


SEEN = """
import json, os, sys
def seen():
    return [__name__, __package__, os.path.basename(__file__), os.path.isabs(__file__),
            os.path.isabs(sys.argv[0]), os.path.basename(sys.argv[0]), sys.argv[1:],
            sys.modules["__main__"].__dict__.get("MARK")]
MARK = "mine"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package and a script, in the working directory, which Python imports from."""
    pkg = tmp_path / "pkg_shipped"
    pkg.mkdir()
    (pkg / "__init__.py").write_text("")
    (pkg / "helper.py").write_text("NAME = __name__\n")
    write = "json.dump(seen(), open(os.environ['OUT'], 'w'))\n"
    text = SEEN + "from . import helper\nassert helper.NAME == 'pkg_shipped.helper'\n"
    (pkg / "train.py").write_text(text + write)
    (pkg / "__main__.py").write_text(text + write)
    functions = "def main_fun(args, ctx):\n    json.dump(seen(), open(os.environ['OUT'], 'w'))\n"
    (pkg / "functions.py").write_text(text + functions)
    (tmp_path / "script_shipped.py").write_text(SEEN + write)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUT", str(tmp_path / "out.json"))
    monkeypatch.setattr(sys, "argv", ["program.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("pkg_shipped", "script_s"))]:
        del sys.modules[name]


def tfos_shows(folder, kind, **settings):
    kind({"argv": ["--dir={model_dir}"], "function": "", **settings}, Ctx()).run(lambda _: None)
    return json.loads((folder / "out.json").read_text())


def python_shows(folder, *argv):
    subprocess.run([sys.executable, *argv, "--dir=/m"], cwd=folder, check=True)
    return json.loads((folder / "out.json").read_text())


@pytest.mark.parametrize("module", ["pkg_shipped.train", "pkg_shipped"])
def test_a_module_runs_as_by_python_m(folder, module):
    expected = python_shows(folder, "-m", module)
    assert tfos_shows(folder, program.Script, module=module) == expected
    assert expected[:5] == ["__main__", "pkg_shipped", expected[5], True, True]
    assert expected[7] == "mine"


def test_a_script_has_absolute_paths(folder):
    expected = python_shows(folder, str(folder / "script_shipped.py"))
    shown = tfos_shows(folder, program.Script, program="script_shipped.py")
    shown[1] = shown[1] or None  # __package__: runpy has "" for Python's None
    assert shown == expected
    assert expected[3:5] == [True, True]


def test_a_function_of_a_module(folder):
    shown = tfos_shows(
        folder, program.Functions, module="pkg_shipped.functions", function="main_fun"
    )
    name, package, file, *rest = shown
    assert (name, package, file) == ("pkg_shipped.functions", "pkg_shipped", "functions.py")
    assert rest[:4] == [True, True, "functions.py", ["--dir=/m"]]


def test_a_function_of_a_file_has_absolute_paths(folder):
    (folder / "script_shipped.py").write_text(
        SEEN + "def main_fun(args, ctx):\n    json.dump(seen(), open(os.environ['OUT'], 'w'))\n"
    )
    shown = tfos_shows(folder, program.Functions, program="script_shipped.py", function="main_fun")
    assert shown[2:7] == ["script_shipped.py", True, True, "script_shipped.py", ["--dir=/m"]]


def test_a_module_without_the_function(folder):
    with pytest.raises(AttributeError, match=r"pkg_shipped\.train has no function main_fun"):
        tfos_shows(folder, program.Functions, module="pkg_shipped.train", function="main_fun")


BESIDE = ["config.json", "helpers.py", "pkg"]


def error_of(text):
    try:
        exec(text, {})
    except Exception as err:
        return err
    raise AssertionError("no error")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import helpers", "helpers.py"),
        ("from pkg.models import net", "pkg"),
        ("open('config.json')", "config.json"),
        ("open('./pkg/x.csv')", "pkg"),
        ("import os; open(os.path.abspath('config.json'))", "config.json"),
        ("import os; os.listdir('pkg')", "pkg"),
        ("try:\n  import helpers\nexcept ImportError as e:\n  raise KeyError from e", "helpers.py"),
    ],
)
def test_what_lies_beside_the_program_is_named(text, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cause = ending.describe(error_of(text), BESIDE)
    assert cause.endswith(
        f" ({name} lies beside the program and was not shipped: add it to app.python.files)"
    )
    # Shipped, or not there: the error is as it was.
    assert cause.startswith(ending.describe(error_of(text), []))
    assert "shipped" not in ending.describe(error_of(text), ["other.py"])


@pytest.mark.parametrize(
    "text",
    [
        "import json.helpers",
        "raise KeyError('config.json')",
        "open('other/config.json')",
        "open('/no/config.json')",
    ],
)
def test_other_errors_stay_as_they_are(text):
    assert "shipped" not in ending.describe(error_of(text), BESIDE)


def test_keras_3_under_parameter_servers_is_named(tmp_path):
    folder = tmp_path / "keras" / "src"
    folder.mkdir(parents=True)
    words = "pass this dataset to ClusterCoordinator.create_per_worker_dataset."
    (folder / "trainer_ps.py").write_text(f"def fit():\n    raise ValueError({words!r})\n")
    module = program.load(os.fspath(folder / "trainer_ps.py"), "fit")
    with pytest.raises(ValueError) as raised:
        module.fit()
    cause = ending.describe(raised.value)
    assert "ParameterServerStrategy: use tf_keras" in cause
    assert hints.cause(ValueError(words), words) is None  # a program's own
