"""Set up the matrix of versions, or write its page.

PYTHONPATH=scripts python -m versions                  install all environments and Sparks
PYTHONPATH=scripts python -m versions --docs PAGE.md   write the page of versions
"""

import argparse
import pathlib
import sys

from versions.document import page
from versions.environments import Missing, python, spark_home
from versions.matrix import CELLS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--docs", metavar="PAGE.md", type=pathlib.Path, help="write the page only")
    options = parser.parse_args()
    if options.docs:
        options.docs.write_text(page())
        return 0
    return set_up()


def set_up():
    """Install what the cells need. What cannot be had is named, all of it; then 1."""
    missing = {}
    for cell in CELLS:
        for make, version in ((python, cell), (spark_home, cell.spark)):
            try:
                make(version)
            except Missing as err:
                missing.setdefault(str(err), []).append(str(cell))
    for reason, cells in missing.items():
        print(
            f"versions: {reason}\n  without it these do not run: {', '.join(cells)}",
            file=sys.stderr,
        )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
