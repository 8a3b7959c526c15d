"""Makes a SavedModel of a Keras file: `tfos export model.keras` gives it a Python as `-c`.

usage: python -c TEXT PACKAGE FILE FOLDER [code]

PACKAGE is keras, or tf_keras for files of Keras 1 and 2. No code that the file holds runs, unless
the last argument is code. The last line of standard output is a JSON object: {"version": of Keras},
{"missing": a package that this Python lacks}, {"code": what in the file is code} or {"error": text}
"""

import json
import os
import sys
import zipfile
from typing import Any

CODE = ("Lambda", "__lambda__")  # classes whose configuration is Python code


def config(path: str) -> Any:
    """The configuration of the model, or None for a file that has none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    h5py: Any = __import__("h5py")

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        return None if text is None else json.loads(text)


def code_in(value: Any) -> str:
    """What in a configuration is code, or names a module that is not of Keras; "" for nothing."""
    if isinstance(value, list):
        return next((found for found in map(code_in, value) if found), "")
    if not isinstance(value, dict):
        return ""
    name, module = value.get("class_name"), value.get("module")
    if name in CODE:
        inner = value.get("config")
        layer = inner.get("name", "") if isinstance(inner, dict) else ""
        return f"a {name} {layer}".strip()
    if isinstance(name, str) and isinstance(module, str):
        package = module.split(".", maxsplit=1)[0]
        if package not in ("keras", "tf_keras", "keras_hub", "builtins"):
            return f"{module}.{name}"
    return next((found for found in map(code_in, value.values()) if found), "")


def convert(package: str, path: str, folder: str, run_code: bool) -> dict[str, str]:
    os.environ["KERAS_BACKEND"] = "tensorflow"  # only it writes SavedModels
    try:
        found = "" if run_code else code_in(config(path))
        if found:
            return {"code": found}
        __import__("tensorflow")
        keras: Any = __import__(package)
    except ModuleNotFoundError as error:
        return {"missing": (error.name or package).split(".", maxsplit=1)[0]}
    try:
        options = {"compile": False, "safe_mode": not run_code}
        keras.models.load_model(path, **options).export(folder)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"version": str(keras.__version__)}


if __name__ == "__main__":
    said = convert(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:] == ["code"])
    print("\n" + json.dumps(said), flush=True)
