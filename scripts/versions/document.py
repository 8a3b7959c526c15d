"""docs/versions.md, from the matrix and its pins. A test holds the page against it."""

from versions.environments import REQUIREMENTS
from versions.matrix import CELLS

PACKAGES = ("numpy", "protobuf", "pandas", "pyarrow")
TEXT = REQUIREMENTS.parent / "page.md"


def page():
    """The whole page: page.md with the table of cells in the place of its mark."""
    return TEXT.read_text().replace("{table}", "\n".join(table()))


def table():
    yield "| TensorFlow | Python | Spark | " + " | ".join(PACKAGES) + " |"
    yield "|" + "---|" * (3 + len(PACKAGES))
    for cell in CELLS:
        versions = [cell.tensorflow, cell.python, cell.spark]
        versions += [pins(cell)[package] for package in PACKAGES]
        yield "| " + " | ".join(versions) + " |"


def pins(cell):
    """{package: version} of a cell's environment; names with dashes."""
    lines = (REQUIREMENTS / f"{cell.environment}.txt").read_text().split()
    return {name.replace("_", "-"): version for name, version in (x.split("==") for x in lines)}
