import os

import pytest
import tensorflow as tf

from glrtf.training import accelerators, strategy
from glrtf.training.accelerators import Accelerators, present
from tfrecords_tools.errors import UserError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine's dev/ and sys/: device files, and (vendor, device) of what is on its bus."""
    for variable in ("CUDA", "HIP", "ROCR"):
        monkeypatch.delenv(f"{variable}_VISIBLE_DEVICES", raising=False)

    def build(device_files=(), bus=()):
        for name in device_files:
            path = tmp_path / "dev" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for number, (vendor, device) in enumerate(bus):
            folder = tmp_path / "sys/bus/pci/devices" / f"0000:00:{number:02x}.0"
            folder.mkdir(parents=True)
            (folder / "vendor").write_text(f"{vendor}\n")
            (folder / "device").write_text(f"{device}\n")
        return present(str(tmp_path))

    return build


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("0x0062", "TPU v5p"),
        ("0x0063", "TPU v5e"),
        ("0x006f", "TPU v6e"),
        ("0x0076", "TPU v7x"),
    ],
)
def test_later_tpus_are_seen_behind_vfio(machine, device, name):
    # As on a v5e VM: the group files, and the container's own vfio, which is no device.
    bus = [("0x8086", "0x1237"), *[("0x1ae0", device)] * 2]
    found = machine(["vfio/0", "vfio/1", "vfio/vfio"], bus)
    assert found == Accelerators("tpu", name, ("/dev/vfio/0", "/dev/vfio/1"))
    assert str(found) == f"2 x {name} (/dev/vfio/0, /dev/vfio/1)"


def test_other_devices_behind_vfio_are_no_tpus(machine):
    # A passed-through disk; Google's network card has the same vendor as its TPUs.
    assert machine(["vfio/0", "vfio/vfio"], [("0x144d", "0xa808"), ("0x1ae0", "0x0042")]) is None


def test_a_tpu_on_the_bus_that_the_container_may_not_use_is_not_seen(machine):
    assert machine(["vfio/vfio"], [("0x1ae0", "0x0063")]) is None


def test_earlier_tpus_are_seen_with_and_without_a_bus(machine):
    assert machine(["accel0", "accel1"]) == Accelerators(
        "tpu", "TPU", ("/dev/accel0", "/dev/accel1")
    )
    assert machine(bus=[("0x1ae0", "0x005e")]).name == "TPU v4"


def test_gpus_are_seen_unless_hidden(machine, monkeypatch):
    found = machine(["nvidia0", "nvidiactl", "nvidia-uvm"])
    assert found == Accelerators("gpu", "NVIDIA GPU", ("/dev/nvidia0",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert machine() is None


def amd_bus(tmp_path, *gpus):
    """PCI attributes (class, bytes of memory or None) of AMD's devices."""
    for number, (device_class, memory) in enumerate(gpus):
        folder = tmp_path / "sys/bus/pci/devices" / f"0000:03:{number:02x}.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text("0x1002\n")
        (folder / "class").write_text(f"{device_class}\n")
        if memory is not None:
            (folder / "mem_info_vram_total").write_text(f"{memory}\n")


def test_amd_gpus_are_counted_on_the_bus(machine, tmp_path, monkeypatch):
    # A Radeon with 16 GiB, an Instinct without the attribute, and the Radeon's sound device.
    amd_bus(tmp_path, ("0x030000", 16 << 30), ("0x120000", None), ("0x040300", None))
    found = machine(["kfd"])
    assert found == Accelerators("gpu", "AMD GPU", ("/dev/kfd",), 2)
    assert str(found) == "2 x AMD GPU (/dev/kfd)"
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "-1")
    assert machine() is None


def test_integrated_graphics_and_a_bus_without_the_driver_are_no_gpus(machine, tmp_path):
    amd_bus(tmp_path, ("0x030000", 512 << 20))
    assert machine(["kfd"]) is None
    amd_bus(tmp_path / "other", ("0x030000", 16 << 30))
    assert present(str(tmp_path / "other")) is None


def test_an_empty_machine_trains_on_its_cpu(machine, monkeypatch):
    assert machine() is None
    monkeypatch.setattr(accelerators, "present", lambda: None)
    monkeypatch.delenv("TPU_NAME", raising=False)
    made = strategy.make_strategy("auto")
    assert isinstance(made, tf.distribute.OneDeviceStrategy)
    assert strategy.describe(made) == "the CPU"


@pytest.mark.parametrize(
    ("found", "package"),
    [
        (Accelerators("gpu", "NVIDIA GPU", ("/dev/nvidia0",)), r"tensorflow\[and-cuda\]"),
        (Accelerators("gpu", "AMD GPU", ("/dev/kfd",), 1), "tensorflow-rocm"),
        (Accelerators("tpu", "TPU v5e", ("/dev/vfio/0",)), "tensorflow-tpu"),
    ],
)
def test_what_tensorflow_cannot_drive_is_refused(found, package, monkeypatch, capsys):
    def no_tpu(name):
        raise UserError("--tpu: could not reach one")

    monkeypatch.setattr(accelerators, "present", lambda: found)
    monkeypatch.setattr(strategy, "_tpu", no_tpu)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    monkeypatch.delenv("TPU_NAME", raising=False)
    message = rf"cannot drive this machine's 1 x .*{os.path.dirname(found.files[0])}.*{package}"
    with pytest.raises(UserError, match=message):
        strategy.make_strategy("auto")
    # The sample is trained all the same, and asking for the CPU is no mistake.
    assert strategy.describe(strategy.make_strategy("auto", fall_back=True)) == "the CPU"
    assert "note: TensorFlow" in capsys.readouterr().err
    assert strategy.describe(strategy.make_strategy("cpu")) == "the CPU"
    assert capsys.readouterr().err == ""


class _On:
    """As much of a strategy as says where its replicas are."""

    def __init__(self, *devices):
        self.extended = self
        self.worker_devices = devices


@pytest.mark.parametrize(
    ("details", "precision"),
    [
        ([{"compute_capability": (7, 5), "device_name": "Tesla T4"}], "float32"),
        ([{"compute_capability": (7, 0), "device_name": "Tesla V100"}], "float32"),
        ([{"compute_capability": (8, 0), "device_name": "NVIDIA A100"}], "mixed_bfloat16"),
        ([{"compute_capability": (9, 0)}, {"compute_capability": (7, 5)}], "float32"),
        ([{}], "mixed_bfloat16"),
    ],
)
def test_automatic_precision_is_one_that_the_gpus_have(monkeypatch, details, precision):
    gpus = list(range(len(details)))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    on = _On(*(f"/job:localhost/replica:0/task:0/device:GPU:{gpu}" for gpu in gpus))
    assert strategy.choose_precision("auto", on) == precision
    assert strategy.choose_precision("mixed_bfloat16", on) == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("/cpu:0", "float32"),
        ("/job:localhost/replica:0/task:0/device:CPU:0", "float32"),
        ("/job:worker/replica:0/task:0/device:TPU:0", "mixed_bfloat16"),
    ],
)
def test_automatic_precision_of_cpus_and_tpus(device, precision):
    assert strategy.choose_precision("auto", _On(device)) == precision
