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
    node = frames.NodeConnection(socket)
    settings = node.context["context"]
    ctx = Context(node.context, socket)
    phase = "starting"

    def enter(name):
        nonlocal phase
        phase = name
        node.phase(name)

    try:
        enter("importing")
        args = arguments(settings, ctx)
        module = load(settings["program"], settings["function"], settings.get("export_function"))
        enter("running")
        call(getattr(module, settings["function"]), args, ctx)
        if settings.get("export_function") and ctx.is_chief:
            enter("exporting")
            call(getattr(module, settings["export_function"]), args, ctx)
        ctx.close()
        enter("ended")
    except BaseException as err:
        if not isinstance(err, SystemExit):
            traceback.print_exc()
        error = ctx.data_error()
        node.failed(phase, describe(error or err), EXIT_DATA if error else 0)
        status = err.code if isinstance(err, SystemExit) and isinstance(err.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # threads of the program must not hold up the end of the run


def call(function, args, ctx):
    """Call main_fun or export_function; sys.exit(0) in it is a return."""
    try:
        function(args, ctx)
    except SystemExit as err:
        if err.code not in (None, 0):
            raise


def arguments(settings, ctx):
    """What main_fun gets as args.

    A mapping in the job file becomes a Namespace with the job's parameters merged in (the job
    file may not name one of these); a list becomes argv, as a script would see it, and args is
    that list: the parameters are ctx.parameters then.
    """
    if "argv" in settings:
        sys.argv = [settings["program"], *settings["argv"]]
        return settings["argv"]
    return argparse.Namespace(**{**vars(ctx.parameters), **settings["args"]})


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
    if isinstance(err, SystemExit):
        return f"the program called sys.exit({err.code!r})"
    lines = str(err).strip().splitlines()
    return f"{type(err).__name__}: {lines[0]}" if lines else type(err).__name__


if __name__ == "__main__":
    main()
