"""Names of outputs, modes and levels to encoders, and what is said where they do not go together."""

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from render.encode.api import encoder, encoder_names
from render.encode.document import PictureEncoders
from render.encode.formats import DEFAULT_OUTPUTS, FORMATS, LEVELS, MODES, OUTPUT_KINDS, choose_pictures
from render.errors import InputError
from render.pixels import PagePixels
from workers import messages

PAGE = PagePixels(np.eye(16, dtype=np.uint8), np.array([[255, 255, 255], [128, 0, 0]], np.uint8), 300)


def test_every_encoder_stands_for_one_mode_of_one_format():
    names = [name for one in FORMATS.values() for name in one.encoders.values()]
    assert sorted(names) == sorted(encoder_names())
    assert {mode for one in FORMATS.values() for mode in one.encoders} == set(MODES) - {"auto"}


def test_the_levels_of_the_table_are_those_of_the_encoders():
    for one in FORMATS.values():
        assert {encoder(name).levels for name in one.encoders.values()} == {one.levels}


def test_messages_name_the_same_outputs_levels_and_modes():
    assert get_args(messages.OutputKind) == OUTPUT_KINDS
    assert get_args(messages.Level) == LEVELS
    assert get_args(messages.Mode) == MODES
    job = messages.Job(job_id="a", created=None, signing_time=None, invoice="{}")
    assert (job.outputs, job.level, job.mode) == (DEFAULT_OUTPUTS, LEVELS[0], MODES[0])


def test_each_format_has_its_own_mode_by_default():
    chosen = {one.kind: one.mode for one in choose_pictures(OUTPUT_KINDS)}
    own = {"png": "indexed", "tiff": "indexed", "g4": "bilevel"}
    assert chosen == {kind: own.get(kind, "rgb") for kind in FORMATS}
    assert all(one.is_default for one in choose_pictures(OUTPUT_KINDS))


def test_a_mode_that_is_the_default_anyway_is_the_default():
    assert choose_pictures(["png"], "indexed") == choose_pictures(["png"])
    (grey,) = choose_pictures(["pdf", "jpeg", "jpeg"], "grey", "small")
    assert (grey.encoder_name, grey.level, grey.is_default) == ("jpeg-grey", "small", False)


def test_a_format_of_one_level_is_written_at_it():
    png, g4 = choose_pictures(["png", "g4"], level="small")
    assert (png.level, png.is_default) == ("small", False)
    assert (g4.level, g4.is_default) == ("fast", True)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((["pdf", "jpg"],), [("outputs", "request.output_unknown", "Did you mean 'jpeg'?")]),
        ((["exe"],), [("outputs", "request.output_unknown", "Choose from pdf, png, jpeg")]),
        ((["png"], "gray"), [("mode", "request.mode_unknown", "Did you mean 'grey'?")]),
        ((["png"], "auto", "tiny"), [("level", "request.level_unknown", "Choose from fast, small")]),
        ((["png", "g4"], "grey"), [("mode", "request.mode_of_format", "g4 has bilevel; grey is a mode of png, jpeg")]),
        ((["jpeg"], "indexed"), [("mode", "request.mode_of_format", "jpeg has rgb, grey; indexed is a mode of png")]),
        ((["doc"], "cmyk", "best"), [("outputs", "", "Choose"), ("mode", "", "Choose"), ("level", "", "Choose")]),
    ],
)
def test_every_fault_names_field_rule_and_remedy(arguments, found):
    with pytest.raises(InputError) as caught:
        choose_pictures(*arguments)
    faults = caught.value.faults
    assert [fault.path for fault in faults] == [field for field, _, _ in found]
    for fault, (_, rule, hint) in zip(faults, found, strict=True):
        assert fault.rule.startswith(rule)
        assert fault.hint.startswith(hint)


def test_pictures_of_a_document_are_named_by_format_and_page():
    pictures = PictureEncoders(choose_pictures(["tiff", "png", "g4", "jpeg"])).begin()
    for _ in range(3):
        pictures.add(PAGE)
    files = pictures.finish()
    assert [file.name_end for file in files] == [
        ".tif", ".png", "-p2.png", "-p3.png", "-g4.tif", ".jpg", "-p2.jpg", "-p3.jpg",
    ]  # fmt: skip
    assert [file.kind for file in files] == ["tiff", *["png"] * 3, "g4", *["jpeg"] * 3]
    assert {file.kind: file.library for file in files} == {
        "tiff": "deflate", "png": "deflate", "g4": "libtiff", "jpeg": "libjpeg-turbo",
    }  # fmt: skip
    for file in files:
        with Image.open(io.BytesIO(file.data)) as image:
            assert image.get_format_mimetype() == file.media_type
            assert getattr(image, "n_frames", 1) == (3 if file.kind in {"tiff", "g4"} else 1)
    assert pictures.n_bytes <= sum(len(file.data) for file in files)
