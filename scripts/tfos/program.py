"""The child process of a member: runs the user's program.

`tfos-node run` starts `python -m tfos.program` with TF_CONFIG and TFOS_SOCKET set, in the
folder that holds the job's files. Everything else comes as CONTEXT over the socket
(docs/protocols.md section 5). How the program ends is told first, by PHASE ended or FAILED; then
the process ends as Python does (`tfos.ending`). Exit status: 0 when the program returned, 1 when
it raised, its own when it called sys.exit.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.util
import os
import pathlib
import re
import runpy
import sys

import tfos
from tfos import dropin, ending, exits, frames, versions
from tfos.board import TensorBoard
from tfos.context import Context


def main():
    socket = os.environ["TFOS_SOCKET"]
    node = frames.NodeConnection(socket)
    settings = node.context["context"]
    ctx, phase = None, "starting"

    def enter(name):
        nonlocal phase
        phase = name
        node.phase(name)

    try:
        ctx = tfos._context = Context(node, socket)
        check_versions(ctx, node)
        dropin.install()
        run = Script(settings, ctx) if not settings["function"] else Functions(settings, ctx)
        with tensorboard(ctx, node):
            run.run(enter)
        ctx.close()
        enter("ended")
        status = 0
    except BaseException as err:
        if ending.forked():
            raise  # a child of the program: it ends as one of plain Python
        ending.show(err, settings.get("all_frames"))
        error = ctx and data_error(err, ctx.data_error())
        cause = ending.describe(error or err, settings.get("beside") or [])
        node.failed(phase, cause, exits.BAD_DATA if error else 0)
        status = err.code if isinstance(err, SystemExit) and isinstance(err.code, int) else 1
    ending.bound(settings["exit_seconds"], status, lambda text: node.note("warning", text))
    sys.exit(status)


def check_versions(ctx, node):
    """Raise VersionError where TensorFlow here cannot be imported; warn of one that is untested."""
    odd = versions.check()
    if odd and ctx.is_chief:  # one member is enough
        node.note("warning", odd)


class Functions:
    """A program with main_fun(args, ctx), and export_function for the chief."""

    def __init__(self, settings, ctx):
        self.settings, self.ctx = settings, ctx

    def run(self, enter):
        enter("importing")
        main, export = self.settings["function"], self.settings.get("export_function")
        args = self.arguments()
        module = load(program_path(self.settings), main, export, module=self.settings.get("module"))
        if "argv" in self.settings:  # as python -m has it, once the module is found
            sys.argv[0] = module.__file__ or sys.argv[0]
        enter("running")
        ending.call(getattr(module, main), args, self.ctx)
        if export and self.ctx.is_chief:
            enter("exporting")
            ending.call(getattr(module, export), args, self.ctx)

    def arguments(self):
        """What main_fun gets as args.

        A mapping in the job file becomes a Namespace with the job's parameters merged in (the
        job file may not name one of these); a list becomes argv, as a script would see it, and
        args is that list: the parameters are ctx.parameters then.
        """
        if "argv" in self.settings:
            return set_argv(self.settings, self.ctx)
        return argparse.Namespace(**{**vars(self.ctx.parameters), **self.settings["args"]})


class Script:
    """A program that runs as a script: it reads TF_CONFIG, its argv, or tfos.get_context()."""

    def __init__(self, settings, ctx):
        self.settings, self.ctx = settings, ctx

    def run(self, enter):
        set_argv(self.settings, self.ctx)
        enter("running")
        if module := self.settings.get("module"):
            script = functools.partial(
                runpy.run_module, module, run_name="__main__", alter_sys=True
            )
        else:
            path = program_path(self.settings)
            script = functools.partial(runpy.run_path, path, run_name="__main__")
        ending.run(script)


def program_path(settings):
    """The program's file, absolute, so that `__file__` holds after os.chdir; None: a module."""
    return os.path.abspath(settings["program"]) if settings.get("program") else None


def set_argv(settings, ctx):
    """Make the job file's list the program's argv; {name} stands for the job's parameter."""
    parameters = vars(ctx.parameters)

    def value(match):
        return str(parameters[match[1]]) if match[1] in parameters else match[0]

    argv = [re.sub(r"\{(\w+)\}", value, argument) for argument in settings.get("argv", [])]
    sys.argv = [program_path(settings) or "-m", *argv]
    return argv


@contextlib.contextmanager
def tensorboard(ctx, node):
    """Runs TensorBoard on the chief while the program runs, if the job wants it."""
    if not (ctx.parameters.tensorboard and ctx.is_chief):
        yield
        return
    host = ctx.cluster[ctx.job_name][ctx.task_index].rpartition(":")[0].strip("[]")
    board = TensorBoard(ctx.parameters.model_dir, host, node.note)
    yield
    board.stop()  # where the program fails it goes with the member, and delays no report


def load(program, *functions, module=None):
    """Import the program and check that it has functions.

    program: its file, which becomes a module named after it; module: its name, in the place of it.
    """
    with ending.importing(module or program, functions[0]):
        imported = importlib.import_module(module) if module else import_file(program)
    for wanted in filter(None, functions):
        if not callable(getattr(imported, wanted, None)):
            raise AttributeError(f"{module or program} has no function {wanted}")
    return imported


def import_file(program):
    name = pathlib.Path(program).stem
    spec = importlib.util.spec_from_file_location(name, program)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def data_error(err, seen):
    """seen, the DataError that stopped a feed, if it is why the program ends with err.

    TensorFlow puts an error of its own in the place of a dataset's.
    """
    cause = err
    while cause is not None:
        if cause is seen or type(cause).__module__.startswith("tensorflow."):
            return seen
        cause = cause.__cause__ or cause.__context__
    return None


if __name__ == "__main__":
    main()
