"""How a program's process ends (as plain Python's does, but within bounds) and what it reports."""

import atexit
import builtins
import contextlib
import gc
import inspect
import io
import os
import sys
import threading
import time
import traceback

from tfos import hints

# Frames of these stand between tfos and the program; nobody looks for an error there.
_RUNNERS = ("<frozen runpy>", "<frozen importlib", os.sep + "runpy.py")
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


_PROCESS = os.getpid()  # that tfos started
_GROUP = getattr(builtins, "BaseExceptionGroup", ())  # Python 3.11 and newer
# For exit hooks, where threads took all of timeouts.exit: the member kills 5 s after that.
HOOK_SECONDS = 2


def forked():
    """Whether this is a child that the program has made by os.fork."""
    return os.getpid() != _PROCESS


class ProgramError(Exception):
    """The program did not do what it was started for, though it raised nothing."""


def message(err):
    """str(err), or a text in its place if str fails."""
    try:
        return str(err)
    except Exception:  # as Python's own tracebacks have it
        return "<exception str() failed>"


def describe(err, beside=()):
    """One line: the exception's type, its message's first line, and what to do if tfos knows that.

    beside: names of files beside the program on the submitting machine that were not shipped.
    """
    if isinstance(err, SystemExit):
        return _describe_exit(err)
    if known := hints.cause(err, message(err)):
        return known
    lines = message(err).strip().splitlines()
    told = f"{type(err).__name__}: {_telling(lines)}" if lines else type(err).__name__
    if isinstance(err, _GROUP):  # asyncio.TaskGroup's says nothing of why
        return f"{told}: {describe(err.exceptions[0], beside)}"
    advice = hints.advice(err, message(err), beside)
    return f"{told} ({advice})" if advice else told


def _telling(lines):
    """The line of a message that says most: the first; TensorFlow's errors of graphs have it after
    the places where the node was defined."""
    if lines[0] != "Graph execution error:":
        return lines[0]
    plain = (line for line in reversed(lines) if line.strip() and not line[0].isspace())
    return next(line for line in plain)


def _describe_exit(err):
    if isinstance(err.code, int):
        return f"the program called sys.exit({err.code!r})"
    lines = message(err.code).strip().splitlines()
    return f"the program called sys.exit: {lines[0] if lines else ''}"


def show(err, all_frames=False):
    """Write on standard error what Python writes for an exception that is not caught.

    The traceback begins at the program's own frames; with all_frames, at tfos's. If the program
    has a sys.excepthook (trackers of experiments have one), the hook is called instead. The
    program may have closed or replaced standard error.
    """
    if isinstance(err, SystemExit):
        text = "" if isinstance(err.code, int) else message(err.code) + "\n"
    else:
        frames = err.__traceback__ if all_frames else _of_program(err.__traceback__)
        if sys.excepthook is not sys.__excepthook__:
            with contextlib.suppress(BaseException):  # Python shows both then
                sys.excepthook(type(err), err, frames)
                return
        text = "".join(traceback.format_exception(type(err), err, frames))
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:  # closed, None, or an object of the program's
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="replace"))


def _of_program(frames):
    """frames from the program's first on; None: it has none, as for its own SyntaxError."""
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not (file.startswith(_OWN) or any(part in file for part in _RUNNERS)):
            break
        frames = frames.tb_next
    return frames


def call(function, *args):
    """Call a function of the program; sys.exit(0), sys.exit() and sys.exit(None) are a return.

    Raises ProgramError if a call does not run the function's body: a class, a coroutine, a
    generator.
    """
    if inspect.isclass(function):
        raise ProgramError(f"{function.__name__} is a class: name a function")
    with returning():
        result = function(*args)
        _check_done(function, result)


def _check_done(function, result):
    name = getattr(function, "__name__", repr(function))
    if inspect.iscoroutine(result):
        result.close()
        raise ProgramError(
            f"{name} is async and none of it ran: name a function that calls asyncio.run"
        )
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ProgramError(f"{name} is a generator (it has a yield) and none of it ran")


def succeeds(err):
    """Whether a SystemExit is success: its code is None or the int 0. Python prints any other
    value and ends with 1. 256 is a failure here, though a shell sees 0."""
    return err.code is None or (isinstance(err.code, int) and err.code == 0)


_kept: list[object] = []  # what a script's threads and hooks may need after it has ended


@contextlib.contextmanager
def returning():
    """In its block, sys.exit with success is a return. A child made by os.fork that comes to the
    end of the block ends there."""
    try:
        yield
    except SystemExit as err:
        if not succeeds(err):
            raise
        _kept.append(err)
    if forked():
        raise SystemExit(0)


def run(script):
    """Run script(), which returns the program's globals. They are kept until Python ends, as a
    plain script's are: threads may still use them."""
    with returning():
        _kept.append(script())


@contextlib.contextmanager
def importing(name, function):
    """In its block, sys.exit is an error, whatever its code: function was to run afterwards."""
    try:
        yield
    except SystemExit as err:
        if not succeeds(err):
            raise
        raise ProgramError(
            f"{name} called sys.exit while it was imported, so {function} never ran: "
            "put what ends the program below `if __name__ == '__main__':`"
        ) from err


def threads():
    """Names of threads for which Python would wait at its end."""
    return [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]


def bound(seconds, status, warn):
    """End this process after so many seconds, with exit hooks and files, if something holds it up.

    status: its exit status then. warn(text) is called with what held it up.
    """
    began = []  # is filled when Python runs exit hooks: the one that is added last runs first
    atexit.register(began.append, True)
    threading.Thread(target=_end, args=(seconds, status, warn, began), daemon=True).start()


def _end(seconds, status, warn, began):
    time.sleep(seconds)
    within = f"within {seconds:g} s (timeouts.exit)"
    if began:
        _tell(warn, f"an exit hook of it (atexit) did not end {within} and was ended")
    else:
        names = ", ".join(threads()[:10])
        _tell(warn, f"threads of it did not end {within} and were ended: {names}")
        hooks = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
        hooks.start()
        hooks.join(HOOK_SECONDS)
        if hooks.is_alive():
            _tell(
                warn, f"an exit hook of it (atexit) did not end within {HOOK_SECONDS} s after that"
            )
    for thing in gc.get_objects():
        if issubclass(type(thing), io.IOBase):  # isinstance asks the thing, and proxies raise
            with contextlib.suppress(Exception):
                thing.flush()
    os._exit(status)


def _tell(warn, text):
    with contextlib.suppress(Exception):
        warn("its program was done, but " + text)
