"""The zoo: ways in which people save models, each with rows and what Python predicts for them.

A way is one function with the decorator `way`: it saves a model and returns a `Case`. The file of
the same subject is its home; what does not run is in refused.py. make.py runs all of them in one
process; test_zoo.py runs what they saved with the job lines that `tfos show` prints.
"""

import ast
import pathlib


def titles(decorator="way"):
    """Function -> what the decorator of every way (or of every "refused") says, without importing
    TensorFlow."""
    found = {}
    for file in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            for call in getattr(node, "decorator_list", []):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == decorator:
                    found[node.name] = [ast.literal_eval(arg) for arg in call.args]
    return found


def table():
    """The tables in docs/inference.md: what runs, and what is refused."""
    runs = "".join(f"- {title}\n" for (title,) in titles().values())
    rows = "".join(f"| {title} | {instead} |\n" for title, instead in titles("refused").values())
    return f"{runs}\n| refused | what the message says to do |\n|---|---|\n{rows}"


if __name__ == "__main__":
    print(table(), end="")
