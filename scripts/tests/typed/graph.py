"""What mypy knows of tfos.graph. `make check` reads it; nothing runs it."""

from pathlib import Path
from typing import Any

from tfos.graph import all_reduce, export_training
from typing_extensions import assert_type


def export(model: object) -> None:
    export_training(model, "adam", "mse", "model", metrics=["mae"])
    export_training(model, "adam", "mse", Path("model"), inputs=None, labels=None)
    assert_type(all_reduce([None]), list[Any])


def faults(model: object) -> None:
    export_training(model, "adam", "mse")  # type: ignore[call-arg]
    export_training(model, "adam", "mse", 3)  # type: ignore[arg-type]
    export_training(model, "adam", "mse", "model", None)  # type: ignore[call-arg]
