"""What FFmpeg says when NVENC cannot be used, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass

_OR_CPU = "or choose device cpu"


@dataclass(frozen=True, slots=True)
class NvencFailure:
    """One reason why no NVENC session opens, and its remedy."""

    message: str
    hint: str


# Words of FFmpeg's log, the more telling first.
_KNOWN = (
    (
        ("Cannot load libcuda.so.1",),
        NvencFailure("there is no NVIDIA driver: FFmpeg cannot load libcuda.", f"Install the driver, {_OR_CPU}."),
    ),
    (
        ("Cannot load libnvidia-encode.so.1",),
        NvencFailure(
            "the NVIDIA driver is here without its encoder library, libnvidia-encode.",
            f"Give the container the driver capability `video`, or install libnvidia-encode, {_OR_CPU}.",
        ),
    ),
    (
        ("Driver does not support the required nvenc API version", "minimum required Nvidia driver"),
        NvencFailure(
            "the NVIDIA driver is older than this FFmpeg needs.", f"Update the driver, use an older FFmpeg, {_OR_CPU}."
        ),
    ),
    (
        ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device"),
        NvencFailure("the NVIDIA driver finds no device.", f"Give this process a device, {_OR_CPU}."),
    ),
    (
        ("OpenEncodeSessionEx failed: out of memory", "incompatible client key"),
        NvencFailure(
            "the device opens no further encoder session.", f"Wait until other encoders have ended, {_OR_CPU}."
        ),
    ),
    (
        ("No capable devices found", "No NVENC capable devices found", "Codec not supported"),
        NvencFailure(
            "no device here encodes this codec, size or colours by NVENC.", f"Use a card with NVENC, {_OR_CPU}."
        ),
    ),
    (
        ("doesn't support", "not supported by", "Cannot init CUDA", "cuInit", "cu->cu", "OpenEncodeSessionEx failed"),
        NvencFailure("NVENC refused the session.", f"Run `kaipiao doctor`, {_OR_CPU}."),
    ),
)


def recognise(log: str) -> NvencFailure | None:
    """Return what an FFmpeg's log says about NVENC; None where it says nothing about it."""
    if "nvenc" not in log:
        return None
    return next((found for words, found in _KNOWN if any(word in log for word in words)), None)
