"""What the host uses of nvImageCodec, encoding by Pillow out of the fake's memory."""

import io
import types

import numpy as np
from PIL import Image


def make_codec(machine, *, gives=None, raises=None):
    """Return a module that looks like nvImageCodec.

    Args:
        machine: the fake device.
        gives: what every encoding gives; None = a JPEG.
        raises: what making an encoder raises.
    """
    kinds = types.SimpleNamespace(GPU_ONLY="gpu", HYBRID_CPU_GPU="hybrid", CPU_ONLY="cpu")

    class Encoder:
        def __init__(self, device_id, backends):
            assert "cpu" not in backends, "the CPU would encode in the device's name"
            if raises is not None:
                raise raises

        def encode(self, images, codec, *, params, cuda_stream):
            assert codec == "jpeg"
            stream = machine.streams[cuda_stream]
            machine.run(stream, len(stream.work))
            return [gives[0] if gives else _jpeg(image.host(), params) for image in images]

    return types.SimpleNamespace(
        Encoder=Encoder,
        EncodeParams=types.SimpleNamespace,
        QualityType=types.SimpleNamespace(QUALITY="quality"),
        ChromaSubsampling=types.SimpleNamespace(CSS_444="4:4:4"),
        Backend=lambda kind: kind,
        BackendKind=kinds,
        as_image=lambda array, cuda_stream: array,
    )


def _jpeg(rgb, params):
    file = io.BytesIO()
    subsampling = params.chroma_subsampling
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "JPEG", quality=params.quality_value, subsampling=subsampling)
    return file.getvalue()
