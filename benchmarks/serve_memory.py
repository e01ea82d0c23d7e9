"""Memory and CPU time to decode the largest photos of each kind.

    python benchmarks/serve_memory.py [--megapixels 64] [--threads 4] [--kinds jpeg png16_gray]

A photo of each kind at the pixel limit is generated and read by as many threads at once as
`glrtf.serve` has by default, each with its own decoder. It prints the peak resident
memory of the largest decoder, the growth of this process, which holds the files,
and the CPU time of one decoder.
"""

import argparse
import io
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np


def picture(side: int, mode: str) -> "object":
    """A picture with smooth gradients."""
    from PIL import Image

    ramp = np.linspace(0, 255, side, dtype=np.uint8)
    gray = Image.fromarray(np.broadcast_to(ramp, (side, side)))
    if mode == "I;16":
        wide = np.linspace(0, 65535, side, dtype=np.uint16)
        return Image.fromarray(np.ascontiguousarray(np.broadcast_to(wide, (side, side))))
    if mode == "L":
        return gray
    turned = gray.transpose(Image.Transpose.ROTATE_90)
    bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2}[mode]
    return Image.merge(mode, [gray, turned, gray, turned][:bands])


def encoded(side: int, mode: str, kind: str, **settings: object) -> bytes:
    """A picture as file bytes."""
    buffer = io.BytesIO()
    picture(side, mode).save(buffer, kind, **settings)  # type: ignore[attr-defined]
    return buffer.getvalue()


def kinds() -> dict[str, Callable[[int], bytes]]:
    """By name, a function that makes a file of a given side length."""
    from PIL import Image

    turned = Image.Exif()
    turned[0x0112] = 6
    exif = turned.tobytes()
    return {
        "jpeg": lambda side: encoded(side, "RGB", "JPEG"),
        "jpeg_progressive": lambda side: encoded(side, "RGB", "JPEG", progressive=True),
        "jpeg_gray": lambda side: encoded(side, "L", "JPEG"),
        "jpeg_turned": lambda side: encoded(side, "RGB", "JPEG", exif=exif),
        "jpeg_cmyk": lambda side: encoded(side, "CMYK", "JPEG"),
        "png": lambda side: encoded(side, "RGB", "PNG", compress_level=1),
        "png_rgba": lambda side: encoded(side, "RGBA", "PNG", compress_level=1),
        "png_gray_alpha": lambda side: encoded(side, "LA", "PNG", compress_level=1),
        # Counted as two pixels each.
        "png16_gray": lambda side: encoded(
            int(side / math.sqrt(2)), "I;16", "PNG", compress_level=1
        ),
        "bmp": lambda side: encoded(side, "RGB", "BMP"),
        "tiff": lambda side: encoded(side, "RGBA", "TIFF"),
        "webp": lambda side: encoded(side, "RGB", "WEBP", method=0),
    }


def peak_mb(pid: int | str) -> float:
    """Peak resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def processor_seconds(pid: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints one line per kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megapixels", type=float, default=64)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--kinds", nargs="*", default=list(kinds()))
    arguments = parser.parse_args()
    from glrtf.service.decoder_pool import DecoderPool
    from glrtf.service.photo_input import PhotoReader, RefusedPhotoError

    limit = int(arguments.megapixels * 1e6)
    print("kind               bytes      decoder MB  service MB  CPU s  result")
    for kind in arguments.kinds:
        data = kinds()[kind](math.isqrt(limit))
        pool = DecoderPool(arguments.threads, 600)
        read = PhotoReader(224, limit, pool)
        before = [decoder._process.pid for decoder in pool._free.queue]
        Path("/proc/self/clear_refs").write_text("5")  # The peak counts from here.
        idle = peak_mb("self")

        def once(_: int, read: PhotoReader = read, data: bytes = data) -> str:
            try:
                return str(read(data, 600).shape)
            except RefusedPhotoError as refused:
                return str(refused)

        with ThreadPoolExecutor(arguments.threads) as threads:
            results = set(threads.map(once, range(arguments.threads)))
        most = max(map(peak_mb, before))
        cpu = max(map(processor_seconds, before))
        grown = peak_mb("self") - idle
        print(f"{kind:<18} {len(data):<10} {most:>10.0f} {grown:>11.0f} {cpu:>6.1f}  {results}")
        pool.close()


if __name__ == "__main__":
    main()
