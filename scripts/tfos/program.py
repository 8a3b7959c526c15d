"""The child process of a member: runs the user's program.

`tfos-node run` starts `python -m tfos.program` with TF_CONFIG and TFOS_SOCKET set, in the
folder that holds the job's files. Everything else comes as CONTEXT over the socket
(docs/protocols.md section 5). Exit status: 0 when the program returned, 1 when it raised
(told with a FAILED frame first), its own when it called sys.exit.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import traceback

from tfos import frames
from tfos.context import Context

EXIT_DATA = 6


def main():
    socket = os.environ["TFOS_SOCKET"]
    control, told = frames.attach(socket)
    settings = told["context"]
    ctx = Context(told, socket)
    phases = Phases(control)
    try:
        phases.enter("importing")
        args = arguments(settings)
        module = load(settings["program"], settings["function"], settings.get("export_function"))
        phases.enter("running")
        getattr(module, settings["function"])(args, ctx)
        if settings.get("export_function") and ctx.is_chief:
            phases.enter("exporting")
            getattr(module, settings["export_function"])(args, ctx)
        ctx.close()
        phases.enter("ended")
    except SystemExit as err:
        if err.code not in (None, 0):
            phases.failed(f"the program called sys.exit({err.code!r})")
        raise
    except BaseException as err:
        traceback.print_exc()
        data_error = ctx.data_error()
        phases.failed(describe(data_error or err), EXIT_DATA if data_error else 0)
        sys.exit(1)


class Phases:
    """Tells the member how far the program is."""

    def __init__(self, control):
        self._control = control
        self._phase = "starting"

    def enter(self, phase):
        self._phase = phase
        frames.send_json(self._control, frames.PHASE, {"phase": phase})

    def failed(self, cause, code=0):
        """code: the exit code of the whole run; 0: the usual one of a failed program."""
        message = {"phase": self._phase, "cause": cause, "code": code}
        frames.send_json(self._control, frames.FAILED, message)


def arguments(settings):
    """What main_fun gets as args.

    A mapping in the job file becomes a Namespace with the job's parameters merged in (the
    mapping wins); a list becomes argv, as the program would see it: args is that list.
    """
    args = settings.get("args") or {}
    if "argv" in settings:
        sys.argv = [settings["program"], *settings["argv"]]
        return settings["argv"]
    return argparse.Namespace(**{**settings["parameters"], **args})


def load(program, *functions):
    """Import the program's file as a module named after it and check that it has functions."""
    name = pathlib.Path(program).stem
    spec = importlib.util.spec_from_file_location(name, program)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for wanted in filter(None, functions):
        if not callable(getattr(module, wanted, None)):
            raise AttributeError(f"{program} has no function {wanted}")
    return module


def describe(err):
    """One line: the exception's type and its message's first line."""
    lines = str(err).strip().splitlines()
    return f"{type(err).__name__}: {lines[0]}" if lines else type(err).__name__


if __name__ == "__main__":
    main()
