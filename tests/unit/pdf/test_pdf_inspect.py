"""The inspector finds each forbidden thing in a file that was tampered with, and nothing in ours."""

import io

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from render.errors import MalformedInput
from render.pdf.inspect import forbidden_in


def _changed(data, change):
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def _script():
    return Dictionary(S=Name.JavaScript, JS="app.alert(1)")


def _open_action(pdf):
    pdf.Root.OpenAction = _script()


def _trigger(pdf):
    pdf.pages[0].AA = Dictionary(O=_script())


def _link(pdf):
    action = Dictionary(S=Name.URI, URI="https://example.invalid/")
    pdf.pages[0].Annots = Array([Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=action)])


def _launch(pdf):
    pdf.Root.Extra = pdf.make_indirect(Array([Dictionary(S=Name.Launch, F="calc.exe")]))


def _named_scripts(pdf):
    pdf.Root.Names.JavaScript = Dictionary(Names=Array(["x", _script()]))


def _outside_stream(pdf):
    stream = pdf.make_stream(b"x")
    stream.F = "data.bin"
    pdf.Root.Extra = stream


def _outside_file(pdf):
    pdf.Root.Extra = Dictionary(Type=Name.Filespec, F="other.pdf")


def _address(pdf):
    pdf.Root.Extra = Dictionary(FS=Name.URL, F="https://example.invalid/")


def _plain_font(pdf):
    fonts = pdf.pages[0].Resources.Font
    fonts.Helv = pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))


def _lost_font_file(pdf):
    for item in pdf.objects:
        if isinstance(item, Dictionary) and item.get("/Type") == Name.FontDescriptor:
            for key in ("/FontFile2", "/FontFile3"):
                if key in item:
                    del item[key]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_open_action, "key /OpenAction"),
        (_open_action, "action /JavaScript"),
        (_trigger, "key /AA"),
        (_link, "action /URI"),
        (_launch, "action /Launch"),
        (_named_scripts, "key /JavaScript"),
        (_outside_stream, "stream outside the file"),
        (_outside_file, "reference to a file outside"),
        (_address, "reference to an address"),
        (_plain_font, "font /Helvetica is not embedded"),
        (_lost_font_file, "LXGWWenKai-Regular is not embedded"),
    ],
)
def test_each_forbidden_thing_is_named(pdf, change, words):
    found = forbidden_in(_changed(pdf, change))
    assert [line for line in found if words in line] != []


def test_an_encrypted_file_is_refused(pdf):
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        out = io.BytesIO()
        opened.save(out, encryption=pikepdf.Encryption(owner="o", user=""))
    assert "the file is encrypted" in forbidden_in(out.getvalue())


def test_our_own_file_holds_nothing_forbidden(pdf):
    assert forbidden_in(pdf) == ()


def test_bytes_that_are_no_pdf_are_an_input_error():
    with pytest.raises(MalformedInput, match="no readable PDF"):
        forbidden_in(b"not a pdf")
