"""What programs of tests import, and what not."""

import subprocess
import sys

import python_path

KERAS = """\
found = []
for name in ("sklearn", "pandas"):
    try:
        __import__(name)
        found.append(name)
    except ImportError:
        pass
"""


def test_only_keras_misses_its_optional_packages(tmp_path):
    """And TensorFlow alone is imported without the collector."""
    packages = {"keras": KERAS, "tensorflow": "import gc\nduring = gc.isenabled()\n"}
    for name in ("keras", "tensorflow", "sklearn", "pandas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(packages.get(name, ""))
    code = (
        "import gc, keras, tensorflow, sklearn, pandas; "
        "print(keras.found, tensorflow.during, gc.isenabled())"
    )
    env = python_path.environment(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "[] False True\n", done.stderr
