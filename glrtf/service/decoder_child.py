"""The process that decodes photos for a service, without TensorFlow or access to its memory.

`glrtf.service.decoder_pool` runs it as ``python -m glrtf.service.decoder_child FD``. A task is two
messages, JSON and the bytes of a file, and so is its answer. JSON is used so that a compromised
decoder cannot attack the service through a pickle. Photos are also resized here: their pixels,
megabytes, then need not pass through the service.
"""

import contextlib
import json
import math
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from glrtf.data.input_spec import InputSpec, spec_from_json
from glrtf.data.resizers import host_resizer
from glrtf.photos.thumbnails import thumbnail
from glrtf.service.boxes import Box, NothingInsideError, as_png
from glrtf.service.decoder_channel import Channel
from tfrecords_tools import images
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.pixels import RejectedError

READY = b"ready"
Task: TypeAlias = Callable[..., tuple[dict[str, Any], Any]]


class RefusedPhotoError(Exception):
    """Bytes were not accepted as a photo; the message is a short reason."""


def read_pixels(
    data: bytes,
    max_pixels: int = ImageSettings.max_pixels,
    max_side: int | None = None,
    box: Sequence[float] | None = None,
) -> np.ndarray:
    """The pixels of an image file, uint8 (h, w, 3), upright, converted as the builder does.

    The header is read first, and a photo that claims too many pixels is not decoded.

    Args:
        data: The bytes of the file.
        max_pixels: Photos with more pixels are refused.
        max_side: Photos with a longer side are resized to it.
        box: The edges of the part that is wanted, as in `boxes.Box`. The result is that of a file
            with only this part.

    Raises:
        RefusedPhotoError: If it is not an image, is too large or small, animated, truncated or
            damaged, or the box lies outside it.
    """
    settings = ImageSettings(verify="decode", max_pixels=max_pixels, max_side=max_side)
    try:
        if box is None:
            return images.upright_pixels(data, settings)
        inspected = images.inspect(data, settings)
        if inspected.fate == images.REJECTED:
            raise RejectedError(inspected.reason)
        whole = np.asarray(images.upright_image(data, settings))
        return images.upright_pixels(as_png(Box(*box).cut(whole)), settings)
    except (RejectedError, NothingInsideError) as rejected:
        raise RefusedPhotoError(str(rejected)) from None


def read_inputs(
    data: bytes,
    specs: Sequence[InputSpec],
    max_pixels: int = ImageSettings.max_pixels,
    box: Sequence[float] | None = None,
) -> list[np.ndarray]:
    """What models take of an image file: for each of `specs` an input, uint8 of its shape.

    See `read_pixels` for the other arguments and the errors.
    """
    decoded: dict[int | None, np.ndarray] = {}
    inputs = [np.empty(spec.shape, np.uint8) for spec in specs]
    for spec, place in zip(specs, inputs, strict=True):
        if spec.max_side not in decoded:
            decoded[spec.max_side] = read_pixels(data, max_pixels, spec.max_side, box)
        host_resizer(spec)(decoded[spec.max_side], place)
    return inputs


def answer_inputs(
    data: bytes,
    specs: Sequence[Mapping[str, Any]],
    max_pixels: int,
    box: Sequence[float] | None = None,
) -> tuple[dict[str, Any], Any]:
    """The task `read_inputs`, its specs as JSON: the values of one input after the other."""
    inputs = read_inputs(data, [spec_from_json(each) for each in specs], max_pixels, box)
    return {}, np.concatenate([each.reshape(-1) for each in inputs])


def answer_thumbnail(data: bytes, side: int) -> tuple[dict[str, Any], Any]:
    """The task `thumbnail`: returns the bytes of a JPEG file."""
    try:
        return {}, thumbnail(data, side)
    except OSError as error:
        raise RefusedPhotoError(str(error)) from None


TASKS: Mapping[str, Task] = {"inputs": answer_inputs, "thumbnail": answer_thumbnail}


def answer(channel: Channel) -> None:
    """Runs tasks until the other side closes.

    Args:
        channel: Receives tasks, ``{"task", "cpu_seconds", **arguments}`` and bytes; sends ``{}`` or
            ``{"refused"}`` and bytes.
    """
    while True:
        task = json.loads(channel.receive(None).tobytes())
        data = channel.receive(None).tobytes()
        _limit_processor_time(task.pop("cpu_seconds"))
        try:
            head, body = TASKS[task.pop("task")](data, **task)
        except RefusedPhotoError as refused:
            head, body = {"refused": str(refused)}, b""
        except MemoryError:
            head, body = {"refused": "too large for this machine's memory"}, b""
        channel.send(json.dumps(head).encode())
        channel.send(memoryview(body))


def _limit_processor_time(seconds: float) -> None:
    """Limits the CPU time of this process from now on; SIGXCPU ends it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + seconds)
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def _set_apart() -> None:
    """Isolates this process from the service, and the service from it."""
    # Ctrl-C and a supervisor's SIGTERM reach the whole group, but open requests are still answered.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # If memory runs out, the kernel should kill the decoder and not the service. Linux only.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def main() -> int:
    """Answers tasks on the file descriptor named on the command line."""
    _set_apart()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    from PIL import Image

    Image.init()  # Load plug-ins of image formats now, not with the first photo.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        channel.send(READY)
        answer(channel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
