"""`python -m benchmarks.media_validation`: what validating one large file costs its child process.

Images of 20 megapixels and sounds of ten minutes, each in a child of its own: CPU time and peak memory of the child,
with the 65 MB that its libraries take, and the longest hold of the parent's event loop. CPU time holds on a busy
machine too; the wall clock stands beside it.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final, cast

import av
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.harness.report import at_most, table
from consumer.media.verdict import MediaExpectation
from consumer.media.worker_pool import media_worker_pool
from schemas.names import AssetKind, Verdict

SIZE: Final = (5000, 4000)
SECONDS: Final = 600
IMAGE_BAR, SOUND_BAR, MEMORY_BAR, HOLD_BAR = 1.5, 2.0, 300.0, 50.0
_RATE: Final = 44_100
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def picture() -> Image.Image:
    """Shapes, gradients and grain: what a photograph costs its decoder."""
    width, height = SIZE
    grain = np.random.default_rng(1).integers(0, 12, (height, width, 3), dtype=np.uint8)
    across = np.linspace(0, 200, width, dtype=np.uint8)[None, :, None]
    down = np.linspace(0, 40, height, dtype=np.uint8)[:, None, None]
    return Image.fromarray(grain + across + down)


def _image(kind: str, **options: Any) -> bytes:  # noqa: ANN401 - an encoder's own
    out = BytesIO()
    picture().save(out, kind, **options)
    return out.getvalue()


def _sound(container: str, codec: str, rate: int = _RATE, layout: str = "mono") -> bytes:
    at = np.arange(rate * SECONDS) / rate
    wave = (0.3 * np.sin(2 * np.pi * 180 * at) * np.abs(np.sin(2 * np.pi * 1.7 * at))).astype(np.float32)
    channels = len(av.AudioLayout(layout).channels)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sound"
        with av.open(str(path), "w", format=container) as file:
            stream = cast("av.AudioStream", file.add_stream(codec, rate=rate, layout=layout))
            context = stream.codec_context
            frame = av.AudioFrame.from_ndarray(np.repeat(wave[None, :], channels, axis=0), "fltp", layout)
            frame.sample_rate = rate
            size = context.frame_size or 4096
            resample = av.AudioResampler(format=context.format, layout=layout, rate=rate, frame_size=size)
            for piece in (*resample.resample(frame), *resample.resample(None)):
                file.mux(stream.encode(piece))
            file.mux(stream.encode(None))
        return path.read_bytes()


def _with_alpha() -> bytes:
    image = picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    out = BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


FILES: Final[Mapping[str, tuple[AssetKind, Callable[[], bytes]]]] = {
    "png": (AssetKind.IMAGE, lambda: _image("PNG", compress_level=1)),
    "png with alpha": (AssetKind.IMAGE, _with_alpha),
    "jpeg": (AssetKind.IMAGE, lambda: _image("JPEG", quality=90)),
    "jpeg, progressive": (AssetKind.IMAGE, lambda: _image("JPEG", quality=90, progressive=True)),
    "webp": (AssetKind.IMAGE, lambda: _image("WEBP", method=0)),
    "avif": (AssetKind.IMAGE, lambda: _image("AVIF", speed=10)),
    "wav, 24 kHz": (AssetKind.AUDIO, lambda: _sound("wav", "pcm_s16le", 24_000)),
    "mp3": (AssetKind.AUDIO, lambda: _sound("mp3", "libmp3lame")),
    "mp3, stereo": (AssetKind.AUDIO, lambda: _sound("mp3", "libmp3lame", layout="stereo")),
    "ogg, opus": (AssetKind.AUDIO, lambda: _sound("ogg", "libopus", 48_000)),
    "flac": (AssetKind.AUDIO, lambda: _sound("flac", "flac")),
    "m4a": (AssetKind.AUDIO, lambda: _sound("ipod", "aac")),
}


def _child() -> int:
    """Return the id of this process's one child."""
    [child] = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(child)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _watch(holds: list[float]) -> None:
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.005)
        holds.append(time.thread_time() - before)


async def _measure(content: bytes, expected: MediaExpectation) -> tuple[float, float, float, float, str]:
    holds: list[float] = []
    async with media_worker_pool(children=1, limit=timedelta(seconds=30)) as pool:
        await pool.start()
        pid = _child()
        before, begun = _cpu(pid), time.monotonic()
        watching = asyncio.create_task(_watch(holds))
        verdict = await pool.validate(content, expected)
        watching.cancel()
        took = time.monotonic() - begun
        said = "" if verdict.verdict is Verdict.PASSED else verdict.detail
        return _cpu(pid) - before, took, _peak(pid), max(holds) * 1000, said


async def _rows(wanted: str) -> Table:
    rows = []
    for name, (kind, make) in FILES.items():
        if wanted not in name:
            continue
        content = make()
        seconds = float(SECONDS) if kind is AssetKind.AUDIO else None
        expected = MediaExpectation(kind=kind, seconds=seconds)
        cpu, took, peak, hold, said = await _measure(content, expected)
        bar = IMAGE_BAR if kind is AssetKind.IMAGE else SOUND_BAR
        rows.append(
            [
                *(name, f"{len(content) / 1e6:.1f} MB", f"{cpu:.2f} s", at_most(cpu, bar, " s"), f"{took:.2f} s"),
                *(
                    f"{peak:.0f} MB",
                    at_most(peak, MEMORY_BAR, " MB"),
                    f"{hold:.0f} ms",
                    at_most(hold, HOLD_BAR, " ms"),
                    said,
                ),
            ]
        )
    columns = ("file", "size", "CPU", "bar", "wall", "memory", "bar", "loop held", "bar", "refused")
    return table(
        f"images of {SIZE[0] * SIZE[1] / 1e6:.0f} megapixels, sounds of {SECONDS / 60:.0f} minutes", columns, rows
    )


def main() -> None:
    """Measure all files, or those whose name holds the first argument."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    Console(width=None if sys.stdout.isatty() else 160).print(asyncio.run(_rows(wanted)))


if __name__ == "__main__":
    main()
