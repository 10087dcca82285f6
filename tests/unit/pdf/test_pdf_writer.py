"""Whole files: structure, metadata, attachments, reserved signatures, and the same bytes every time."""

import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from lxml import etree
from pdf_samples import CREATED, NUMBER, XML, Samples, attachment, info, value_page

from render.display.batch import concat
from render.display.builder import DisplayListBuilder
from render.display.resources import Resources
from render.errors import InputError, OutputInvalid
from render.pdf.field import MAX_RESERVED_BYTES
from render.pdf.inspect import forbidden_in
from render.pdf.writer import PdfWriter, describe

_HOSTILE = r"a) /OpenAction <</S/JavaScript/JS(x)>> endobj \) > ]]> <!-- &lt; %PDF stream 丂"


def _open(data):
    return pikepdf.open(io.BytesIO(data))


def test_the_page_is_exactly_as_large_as_the_invoice(pdf):
    with _open(pdf) as opened:
        page = opened.pages[0]
        for box in (page.mediabox, page.cropbox, page.trimbox):
            assert [float(side) for side in box] == pytest.approx([0, 0, 210 / 25.4 * 72, 140 / 25.4 * 72], abs=1e-5)


def test_the_background_is_one_form_shared_by_all_pages(samples, writer):
    data = writer.write(samples.document(pages=3), 0, info()).data
    with _open(data) as opened:
        forms = [page.Resources.XObject.B0 for page in opened.pages]
        assert len(opened.pages) == 3
        assert {form.objgen for form in forms} == {forms[0].objgen}
        assert forms[0].Subtype == pikepdf.Name.Form
        assert [page.Contents.read_bytes().count(b"/B0 Do") for page in opened.pages] == [1, 1, 1]


def test_info_and_xmp_say_the_same(pdf):
    with _open(pdf) as opened:
        assert str(opened.docinfo.Title) == f"增值税专用发票 {NUMBER}"
        assert str(opened.docinfo.CreationDate) == "D:20261123093015+08'00'"
        with opened.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
            assert xmp["pdfaid:part"] == "3"
            assert xmp["pdfaid:conformance"] == "B"
            assert xmp["dc:title"] == str(opened.docinfo.Title)
            assert xmp["dc:creator"] == [str(opened.docinfo.Author)]
            assert xmp["dc:description"] == str(opened.docinfo.Subject)
            assert xmp["pdf:Keywords"] == str(opened.docinfo.Keywords)
            assert xmp["pdf:Producer"] == str(opened.docinfo.Producer) == "Kaipiao"
            assert xmp["xmp:CreateDate"] == xmp["xmp:ModifyDate"] == "2026-11-23T09:30:15+08:00"
        assert str(opened.Root.Lang) == "zh-CN"


def test_empty_texts_are_left_out_of_both(samples, writer):
    data = writer.write(samples.document(), 0, info(author="", keywords="")).data
    with _open(data) as opened:
        assert {"/Author", "/Keywords"} & set(opened.docinfo.keys()) == set()
        assert b"dc:creator" not in opened.Root.Metadata.read_bytes()


def test_hostile_text_stays_text(samples, writer):
    given = info(title=_HOSTILE, author=_HOSTILE, subject=_HOSTILE, keywords=_HOSTILE, document_id=_HOSTILE)
    file = attachment(description=_HOSTILE, name="a)(b #20%.xml")
    data = writer.write(samples.document(), 0, given, [file], 500).data
    with _open(data) as opened:
        assert str(opened.docinfo.Title) == _HOSTILE
        assert str(opened.docinfo.Keywords) == _HOSTILE
        xmp = etree.fromstring(opened.Root.Metadata.read_bytes())
        assert xmp.findtext(".//{http://ns.adobe.com/pdf/1.3/}Keywords") == _HOSTILE
        assert str(opened.Root.AF[0].Desc) == _HOSTILE
        assert str(opened.Root.AF[0].UF) == "a)(b #20%.xml"
    assert forbidden_in(data) == ()


@pytest.mark.parametrize("char", ["\x00", "\n", "\x1b", "\x85", "\u202e", "\u2028", "\ud800", "\ufffe", "\ufeff"])
@pytest.mark.parametrize("name", ["title", "author", "subject", "keywords", "producer", "document_id"])
def test_a_text_that_xmp_cannot_hold_is_refused_by_name(name, char):
    with pytest.raises(InputError) as caught:
        info(**{name: f"a{char}b"})
    assert [(fault.path, fault.rule) for fault in caught.value.faults] == [(f"info.{name}", "pdf.text_forbidden")]


def test_all_faults_of_an_info_are_told_at_once():
    with pytest.raises(InputError) as caught:
        info(title="\x01", author="x" * 8_001, created=datetime(2026, 1, 1), language="zh CN)")  # noqa: DTZ001
    rules = [fault.rule for fault in caught.value.faults]
    assert rules == ["pdf.text_forbidden", "pdf.text_length", "pdf.language", "pdf.time_zone"]


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=-5, minutes=-30), timedelta(hours=14)])
def test_time_zones_are_written_in_both_forms(samples, writer, offset):
    created = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=timezone(offset))
    data = writer.write(samples.document(), 0, info(created=created)).data
    with _open(data) as opened:
        stated = pikepdf.models.metadata.decode_pdf_date(str(opened.docinfo.CreationDate))
        assert stated == created.replace(microsecond=0)
        with opened.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
            assert datetime.fromisoformat(xmp["xmp:CreateDate"]) == stated


def test_an_attachment_comes_back_byte_for_byte(pdf):
    with _open(pdf) as opened:
        spec = opened.Root.AF[0]
        names = opened.Root.Names.EmbeddedFiles.Names
        assert [str(names[0]), names[1].objgen] == [f"{NUMBER}.xml", spec.objgen]
        assert spec.AFRelationship == pikepdf.Name.Source
        assert str(spec.F) == str(spec.UF) == f"{NUMBER}.xml"
        file = spec.EF.F
        assert file.read_bytes() == XML
        assert file.Subtype == pikepdf.Name("/text/xml")
        assert file.Params.Size == len(XML)
        assert bytes(file.Params.CheckSum) == hashlib.md5(XML).digest()
        assert str(file.Params.ModDate) == "D:20261123093015+08'00'"


def test_a_description_made_before_gives_the_same_file(samples, writer):
    files = [attachment(), attachment(name="a.txt", data=b"other", media_type="text/plain")]
    described = [describe(info(), files), describe(info(title="anders"), files[:1])]
    display = samples.document()
    for reserve in (0, 900):
        expected = writer.write(display, 0, info(), files, reserve)
        assert writer.write_described(display, 0, described[0], reserve) == expected
        assert writer.write_described(display, 0, described[1], reserve).data != expected.data


def test_attachments_are_sorted_in_the_name_tree_and_kept_in_order_in_the_list(samples, writer):
    files = [attachment(name=name, data=name.encode()) for name in ("乙.xml", "a.xml", "Z.xml", "甲.xml")]
    with _open(writer.write(samples.document(), 0, info(), files).data) as opened:
        keys = [bytes(key) for key in list(opened.Root.Names.EmbeddedFiles.Names)[::2]]
        assert keys == sorted(keys)
        assert [str(spec.UF) for spec in opened.Root.AF] == ["乙.xml", "a.xml", "Z.xml", "甲.xml"]
        assert {name: bytes(spec.obj.EF.F.read_bytes()) for name, spec in opened.attachments.items()} == {
            file.name: file.data for file in files
        }


@pytest.mark.parametrize("name", ["", ".", "..", "../x.xml", "a/b", "a\\b", "C:x", "a\x00b", "a\nb", "a\u202eb"])
def test_a_file_name_that_is_a_path_is_refused(name):
    with pytest.raises(InputError) as caught:
        attachment(name=name)
    assert {fault.path for fault in caught.value.faults} == {"attachment.name"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("media_type", "xml"),
        ("media_type", "text/xml>>/JS"),
        ("media_type", "text/xml\n"),
        ("relationship", "Friend"),
        ("modified", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("description", "\x07"),
    ],
)
def test_a_broken_attachment_is_refused_by_field(field, value):
    with pytest.raises(InputError) as caught:
        attachment(**{field: value})
    assert [fault.path for fault in caught.value.faults] == [f"attachment.{field}"]


def test_two_attachments_of_one_name_are_refused(samples, writer):
    with pytest.raises(InputError, match="cannot be attached"):
        writer.write(samples.document(), 0, info(), [attachment(), attachment(data=b"other")])


@pytest.mark.parametrize("reserve", [1, 1_500, MAX_RESERVED_BYTES])
def test_a_reserved_signature_covers_the_whole_file(samples, writer, reserve):
    file = writer.write(samples.document(pages=2), 0, info(), [attachment()], reserve)
    start, end = file.signature_span
    assert file.data[start:end] == b"<" + b"0" * (2 * reserve) + b">"
    with _open(file.data) as opened:
        field = opened.Root.AcroForm.Fields[0]
        assert opened.Root.AcroForm.SigFlags == 3
        assert [int(number) for number in field.V.ByteRange] == [0, start, end, len(file.data) - end]
        assert field.V.Filter == "/Adobe.PPKLite"
        assert field.V.SubFilter == "/adbe.pkcs7.detached"
        assert "/M" not in field.V
        assert [int(side) for side in field.Rect] == [0, 0, 0, 0]
        assert field.F == 132
        assert field.P.objgen == opened.pages[0].objgen
        assert [annotation.objgen for annotation in opened.pages[0].Annots] == [field.objgen]
        assert "/Annots" not in opened.pages[1]
    assert forbidden_in(file.data) == ()


def test_the_signing_time_is_written_only_where_it_is_given(samples, writer):
    signed = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    file = writer.write(samples.document(), 0, info(signed=signed), (), 100)
    with _open(file.data) as opened:
        assert str(opened.Root.AcroForm.Fields[0].V.M) == "D:20261123020000+00'00'"


def test_no_signature_means_no_form(pdf):
    with _open(pdf) as opened:
        assert "/AcroForm" not in opened.Root


@pytest.mark.parametrize("reserve", [-1, MAX_RESERVED_BYTES + 1])
def test_an_impossible_reservation_is_refused(samples, writer, reserve):
    with pytest.raises(OutputInvalid, match="for a signature"):
        writer.write(samples.document(), 0, info(), (), reserve)


def test_the_identifier_follows_the_content(samples, writer):
    def identifier(serial=0, **changes):
        with _open(writer.write(samples.document(serial), 0, info(**changes)).data) as opened:
            return [bytes(part) for part in opened.trailer.ID]

    first = identifier()
    assert first == identifier()
    assert first[0] == first[1]
    assert len(first[0]) == 16
    assert identifier(serial=1) != first
    named, renamed = identifier(document_id="inv-1"), identifier(serial=1, document_id="inv-1")
    assert named[0] == renamed[0]
    assert named[1] != renamed[1]


def test_bytes_do_not_depend_on_the_batch_or_on_what_was_written_before(samples):
    alone = [PdfWriter(samples.resources).write(samples.document(n), 0, info(), [attachment()]).data for n in range(3)]
    displays = [samples.document(n) for n in (2, 0, 1)]
    batch = concat(displays)
    writer = PdfWriter(samples.resources)
    written = [writer.write(batch, doc, info(), [attachment()]).data for doc in (0, 1, 2)]
    assert written == [alone[2], alone[0], alone[1]]
    assert len(set(alone)) == 3


def test_bytes_are_the_same_in_another_process_with_another_hash_seed(samples, writer):
    here = Path(__file__).parent
    script = (
        "import os, hashlib, pdf_samples as s; from render.pdf.writer import PdfWriter;"
        "from render.fonts.registry import FontSettings, load_fonts;"
        "x = s.Samples(load_fonts(FontSettings.from_mapping(os.environ)));"
        "f = PdfWriter(x.resources).write(x.document(pages=2), 0, s.info(), [s.attachment()], 900);"
        "print(hashlib.sha256(f.data).hexdigest())"
    )
    expected = hashlib.sha256(writer.write(samples.document(pages=2), 0, info(), [attachment()], 900).data).hexdigest()
    paths = os.pathsep.join([str(here), str(here.parents[2])])
    for seed in ("1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected


def test_a_picture_of_the_background_is_not_written_twice(samples):
    builder = DisplayListBuilder(samples.fonts)
    builder.page(210_000, 140_000)
    paint = builder.paint(0, 0, 0)
    builder.image(samples.seal.digest, (0, 0, 9_000, 6_000), paint=paint, tag="seal")
    base = builder.freeze()
    resources = Resources(samples.fonts, {base.digest: base}, {samples.seal.digest: samples.seal})
    over = DisplayListBuilder(samples.fonts)
    value_page(over, base.digest, seal=samples.seal)
    with _open(PdfWriter(resources).write(over.freeze(), 0, info()).data) as opened:
        images = [item for item in opened.objects if isinstance(item, pikepdf.Stream) and "/Width" in item]
        assert len(images) == 2
        picture = opened.pages[0].Resources.XObject.I0
        assert picture.objgen == opened.pages[0].Resources.XObject.B0.Resources.XObject.I0.objgen
        pixels = np.frombuffer(picture.read_bytes(), np.uint8).reshape(120, 180, 3)
        mask = np.frombuffer(picture.SMask.read_bytes(), np.uint8).reshape(120, 180)
        assert np.array_equal(mask, samples.seal.rgba[:, :, 3])
        assert np.array_equal(pixels[mask > 0], samples.seal.rgba[:, :, :3][mask > 0])


def test_only_the_backgrounds_in_use_are_in_the_file(samples):
    builder = DisplayListBuilder(samples.fonts)
    builder.page(210_000, 140_000)
    builder.text("kai", 3_000, 9_000, 9_000, "续页", paint=builder.paint(128, 0, 0), tag="caption.next")
    other = builder.freeze()
    bases = {samples.base.digest: samples.base, other.digest: other}
    resources = Resources(samples.fonts, bases, samples.resources.pictures)
    both = DisplayListBuilder(samples.fonts)
    value_page(both, samples.base.digest)
    value_page(both, other.digest)
    writer = PdfWriter(resources)
    assert _kinds(writer.write(samples.document(), 0, info()).data) == {"/Form": 1, "/Image": 2}
    assert _kinds(writer.write(both.freeze(), 0, info()).data) == {"/Form": 2}


def _kinds(data):
    with _open(data) as opened:
        subtypes = [str(item.get("/Subtype")) for item in opened.objects if isinstance(item, pikepdf.Stream)]
    return {kind: subtypes.count(kind) for kind in ("/Form", "/Image") if kind in subtypes}


def test_a_list_of_other_fonts_or_unknown_resources_is_refused(samples, writer, book):
    stranger = Samples(type(book).from_roles({"kai": book.faces, "song": book.faces, "mono": book.faces[::-1]}))
    with pytest.raises(OutputInvalid, match="other fonts"):
        PdfWriter(Resources(type(book).from_roles({"kai": book.faces[:1]}))).write(stranger.document(), 0, info())
    with pytest.raises(OutputInvalid, match="no background"):
        PdfWriter(Resources(book)).write(samples.document(), 0, info())
    with pytest.raises(OutputInvalid, match="no picture"):
        PdfWriter(Resources(book, samples.resources.bases)).write(samples.document(), 0, info())


def test_creation_time_is_the_only_clock(samples, writer):
    later = CREATED + timedelta(seconds=1)
    first = writer.write(samples.document(), 0, info()).data
    assert writer.write(samples.document(), 0, info(created=later)).data != first
    assert writer.write(samples.document(), 0, info()).data == first
