"""A Python that has imported TensorFlow, for command lines `python3 -c CODE ARG…`.

Each command runs in a child of it, made by fork before TensorFlow has computed anything: it saves
the import, 5 s of CPU. As a program `warm.py DESCRIPTOR` serves a listening socket, and
`warm.py SOCKET -c CODE ARG…` asks it.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import traceback

SCRIPT = """\
import os, runpy, sys
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
CLIENT = '#!/bin/sh\nexec "{python}" -IS "{file}" "{socket}" "$@"\n'


@contextlib.contextmanager
def python(interpreter, folder):
    """Yields a folder for the front of PATH whose python3 is such a child of interpreter."""
    path = os.path.join(folder, "warm.sock")
    client = os.path.join(folder, "python3")
    with open(client, "w") as out:
        out.write(CLIENT.format(python=interpreter, file=__file__, socket=path))
    os.chmod(client, 0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    fd = listener.fileno()
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    argv = [interpreter, __file__, str(fd)]
    server = subprocess.Popen(argv, env=env, pass_fds=[fd], stdin=subprocess.PIPE)
    listener.close()
    try:
        yield folder
    finally:
        server.communicate()


def script(file, *argv):
    """The arguments with which it runs a script, as `python3 FILE ARG…` does."""
    return ["-c", SCRIPT, file, *map(str, argv)]


def serve(listener):
    """Answers each command with its exit status, one after another, until standard input ends."""
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
    import tf_keras  # noqa: F401

    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        asking, _ = listener.accept()
        with asking:
            text, streams, _, _ = socket.recv_fds(asking, 1 << 20, 3)
            cwd, argv = json.loads(text)
            pid = os.fork()
            if pid == 0:
                run(cwd, argv, streams)
            for fd in streams:
                os.close(fd)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            asking.sendall(str(status % 256).encode())


def run(cwd, argv, streams):
    """Becomes `python3 -c`, as far as a program sees it; an exception is status 1."""
    for fd, own in zip(streams, range(3), strict=True):
        os.dup2(fd, own)
    os.chdir(cwd)
    flag, code, *_ = argv
    status = 0
    try:
        if flag != "-c":
            raise ValueError(f"only python3 -c runs here: {argv}")
        sys.argv = ["-c", *argv[2:]]
        exec(code, {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


def ask(path, argv):
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        socket.send_fds(asking, [json.dumps([os.getcwd(), argv]).encode()], [0, 1, 2])
        return int(asking.recv(16) or 255)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
