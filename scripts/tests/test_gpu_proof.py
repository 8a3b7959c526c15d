"""What a Python's TensorFlow is asked about its GPUs (tfos.gpus). There are none here."""

import ctypes
import json
import types

import pytest
from tfos import gpus


class Driver:
    """libcuda.so.1 that answers cuInit with code."""

    def __init__(self, code, text=b""):
        self.code, self.text = code, text

    def cuInit(self, flags):
        assert flags == 0
        return self.code

    def cuGetErrorString(self, code, at):
        at._obj.value = self.text
        return 0 if self.text else 1


def missing(name):
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.parametrize(
    ("load", "want"),
    [
        (lambda name: Driver(0), ""),
        (missing, "libcuda.so.1: cannot open shared object file"),
        (
            lambda name: Driver(803, b"unsupported combination"),
            "cuInit: unsupported combination (803)",
        ),
        (lambda name: Driver(999), "cuInit: error 999"),
    ],
    ids=["starts", "no library", "fails", "fails without a word"],
)
def test_why_the_driver_does_not_start(load, want):
    assert gpus.driver_problem(load) == want


def attributes(name, description=""):
    return types.SimpleNamespace(name=name, physical_device_desc=description)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="SKIPPED: no TensorFlow")


def test_a_device_computes(tf):
    """The product is computed where it should be, and its PCI address is TensorFlow's."""
    description = "device: 0, name: X (1), pci bus id: 0000:3b:00.0, compute capability: 9.0"
    want = {"name": "/device:CPU:0", "bus": "0000:3b:00.0"}
    assert gpus.device(tf, attributes("/device:CPU:0", description)) == want


def test_a_device_that_does_not_compute(tf):
    seen = gpus.device(tf, attributes("/device:GPU:5"))
    assert seen["bus"] == ""
    assert "CPU:0" in seen["error"]  # where TensorFlow took it, without a word


def test_the_last_line_is_what_is_seen(tf, capsys, monkeypatch):
    def no_driver(name):
        raise OSError("no driver")

    monkeypatch.setattr(ctypes, "CDLL", no_driver)
    gpus.main()
    *steps, seen = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [step["next"] for step in steps] == ["import", "driver", "open"]
    assert steps[0]["tensorflow"] == tf.__version__  # a TensorFlow that hangs is named
    assert seen["tensorflow"] == tf.__version__ and "next" not in seen
    assert seen["package"].startswith("tensorflow")
    assert seen["cuda"] == tf.test.is_built_with_cuda()
    assert (seen["devices"], seen["driver"]) == ([], "no driver")


def test_a_device_that_hangs_is_known(tf, capsys, monkeypatch):
    """What was said before is in the line before the step that hangs."""
    from tensorflow.python.client import device_lib

    found = [types.SimpleNamespace(name=f"/device:GPU:{i}", device_type="GPU") for i in range(2)]
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: found)

    def device(tf, one):
        if one is found[1]:
            raise KeyboardInterrupt  # it ends here
        return {"name": one.name}

    monkeypatch.setattr(gpus, "device", device)
    with pytest.raises(KeyboardInterrupt):
        gpus.main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["next"], last["devices"]) == ("compute", [{"name": "/device:GPU:0"}])


def test_a_tensorflow_that_cannot_be_imported(capsys, monkeypatch):
    def look(seen):
        raise ImportError("libcudart.so.12")

    monkeypatch.setattr(gpus, "look", look)
    gpus.main()
    seen = json.loads(capsys.readouterr().out)
    assert seen["error"] == "ImportError: libcudart.so.12"
