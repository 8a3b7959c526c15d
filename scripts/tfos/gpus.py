"""Which GPUs this Python's TensorFlow computes on: `python -m tfos.gpus`.

The member (internal/node/gpus.go) runs it before the program, with the program's environment. It
prints one JSON object, `gpu.Seen` in Go, before each step and one at the end: a device that hangs
stops it. It only looks: whether that is what the job asked for, and who is to blame,
internal/gpu/seen.go decides.
"""

import ctypes
import json
import re
import sys

from tfos import versions

_BUS = re.compile(r"pci bus id: ([0-9a-fA-F:.]+)")
_SIZE = 512  # of a matrix whose square is computed


def main():
    seen = {"tensorflow": "", "package": "", "cuda": False, "devices": []}
    for name in versions.TENSORFLOWS:
        if version := versions.installed(name):
            seen.update(tensorflow=version, package=name)
            break
    try:
        look(seen)
    except Exception as err:  # whatever its import raises
        seen["error"] = f"{type(err).__name__}: {err}"
    print(json.dumps(seen), flush=True)


def look(seen):
    begin("import", seen)
    import tensorflow as tf
    from tensorflow.python.client import device_lib

    seen["cuda"] = tf.test.is_built_with_cuda()
    begin("driver", seen)
    if problem := driver_problem(ctypes.CDLL):
        seen["driver"] = problem
    begin("open", seen)
    for one in device_lib.list_local_devices():
        if one.device_type == "GPU":
            begin("compute", seen)
            seen["devices"].append(device(tf, one))


def begin(step, seen):
    """Tells the member what is done next (`gpu.Step`)."""
    print(json.dumps(seen | {"next": step}), flush=True)


def device(tf, one):
    """One device as gpu.SeenDevice; one: DeviceAttributes of TensorFlow's."""
    bus = _BUS.search(one.physical_device_desc)
    seen = {"name": one.name, "bus": bus[1] if bus else ""}
    try:
        with tf.device(one.name):
            ones = tf.ones([_SIZE, _SIZE])
            product = tf.matmul(ones, ones)
            total = float(tf.reduce_sum(product))
        # TensorFlow takes another device, without a word, where one is not there.
        if not product.device.endswith(one.name):
            seen["error"] = f"TensorFlow computed on {product.device}"
        elif total != _SIZE**3:
            seen["error"] = f"it computed {total}, not {_SIZE**3}"
    except Exception as err:  # of TensorFlow's, of any kind
        seen["error"] = f"{type(err).__name__}: {err}"
    return seen


def driver_problem(load):
    """Why CUDA's driver does not start, in a line; "": it does. load: ctypes.CDLL."""
    try:
        cuda = load("libcuda.so.1")
    except OSError as err:
        return str(err)
    code = cuda.cuInit(0)
    if code == 0:
        return ""
    text = ctypes.c_char_p()
    if cuda.cuGetErrorString(code, ctypes.byref(text)) == 0 and text.value:
        return f"cuInit: {text.value.decode(errors='replace')} ({code})"
    return f"cuInit: error {code}"


if __name__ == "__main__":
    sys.exit(main())
