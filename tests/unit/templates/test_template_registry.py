"""Finding, extending and refusing templates."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from render.display.resources import Picture
from render.errors import ConfigError, TemplateUnknown
from render.fonts.book import FontBook
from render.layout.bounds import find_misplaced
from render.layout.engine import layout_invoice
from render.model.read import read_invoice
from render.templates.registry import TemplateRegistry

FOLDER = Path(__file__).parents[3] / "templates"


@pytest.fixture
def folder(tmp_path):
    """A copy of the templates that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "templates"))


def edit(folder, old, new, name="vat_form"):
    path = folder / name / "1" / "template.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_kinds_that_can_be_printed_are_listed_without_the_shared_form():
    assert TemplateRegistry().kinds() == {"vat_ordinary": ("1",), "vat_special": ("1",)}


@pytest.mark.parametrize("kind", ["vat_special", "vat_ordinary"])
def test_the_sample_of_each_form_is_valid_and_lays_out(fonts, kind):
    read = read_invoice((FOLDER / kind / "1" / "sample.json").read_bytes())
    template = TemplateRegistry().load(read.invoice.kind.value, fonts=fonts)
    assert (template.id, template.version, read.warnings) == (kind, "1", ())
    assert find_misplaced(layout_invoice(read.invoice, template), template) == ()


def test_the_newest_version_is_loaded_and_an_older_one_on_demand(fonts, folder):
    shutil.copytree(folder / "vat_special" / "1", folder / "vat_special" / "10")
    shutil.copytree(folder / "vat_special" / "1", folder / "vat_special" / "9")
    registry = TemplateRegistry(folder)
    assert registry.load("vat_special", fonts=fonts).version == "10"
    assert registry.load("vat_special", "9", fonts=fonts).version == "9"


def test_a_misspelt_kind_is_answered_with_the_nearest_one(fonts):
    with pytest.raises(TemplateUnknown, match="Did you mean vat_special"):
        TemplateRegistry().load("vat_specal", fonts=fonts)


@pytest.mark.parametrize(
    "kind", ["../vat_special", "vat_form", "vat_special/1", "", "．．/vat_special", "a\0b", "x" * 500]
)
def test_kinds_that_are_no_kind_are_unknown(fonts, kind):
    with pytest.raises(TemplateUnknown) as caught:
        TemplateRegistry().load(kind, fonts=fonts)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("version", ["2", "../1", "01", ""])
def test_versions_that_are_not_there_are_unknown(fonts, version):
    with pytest.raises(TemplateUnknown, match="There are: 1"):
        TemplateRegistry().load("vat_special", version, fonts=fonts)


def test_a_missing_folder_is_named(fonts, tmp_path):
    with pytest.raises(ConfigError, match="KAIPIAO_TEMPLATES"):
        TemplateRegistry(tmp_path / "nowhere").load("vat_special", fonts=fonts)


def test_the_digest_follows_data_fonts_and_seal(fonts, folder):
    def digest(book=fonts, seal=None, kind="vat_special"):
        return TemplateRegistry(folder).load(kind, fonts=book, seal=seal).digest

    other_fonts = FontBook.from_roles({role: [fonts.face("kai")] for role in fonts.chains})
    seals = [Picture(np.full((2, 2, 4), level, np.uint8)) for level in (10, 20)]
    digests = [digest(), digest(kind="vat_ordinary"), digest(other_fonts), *(digest(seal=seal) for seal in seals)]
    again = digest()
    edit(folder, "row_pitch = 4.5", "row_pitch = 4.4")
    digests.append(digest())
    assert len(set(digests)) == len(digests)
    assert again == digests[0]
    assert again.startswith("sha256:")


def test_a_form_that_extends_another_changes_what_it_names_alone(fonts, folder):
    with (folder / "vat_special" / "1" / "template.toml").open("a", encoding="utf-8") as file:
        file.write("\n[cells.number]\nbox = [169, 10, 205, 15]\n")
    registry = TemplateRegistry(folder)
    special, ordinary = (registry.load(kind, fonts=fonts).spec for kind in ("vat_special", "vat_ordinary"))
    assert special.cells["number"].box_um == (169_000, 10_000, 205_000, 15_000)
    assert special.cells["number"].fits == ordinary.cells["number"].fits
    assert special.cells["issued"] == ordinary.cells["issued"]


@pytest.mark.parametrize("target", ["vat_nothing/1", "vat_form/7", "../vat_form/1", "vat_special/1", "vat_form"])
def test_extending_nothing_or_oneself_is_refused(fonts, folder, target):
    edit(folder, 'extends = "vat_form/1"', f"extends = {json.dumps(target)}", "vat_special")
    with pytest.raises(ConfigError, match="leads nowhere"):
        TemplateRegistry(folder).load("vat_special", fonts=fonts)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("width = 210", 'width = "210"', "page.width"),
        ("width = 210", "width = 21000", "page.width"),
        ("width = 210", "width = nan", "page.width"),
        ("width = 210", "width = true", "page.width"),
        ("height = 140", "height = 140\ncolour = 1", "page.colour"),
        ("label = [128, 0, 0]", "label = [128, 0, 256]", "colors.label"),
        ("watermark = [244, 244, 244]\n", "", "colors.watermark"),
        ('color = "strip_light"', 'color = "mauve"', "color"),
        ("box = [6.5, 6, 26.5, 26]", "box = [26.5, 6, 6.5, 26]", "qr.box"),
        ("box = [6.5, 6, 26.5, 26]", "box = [6.5, 6, 26.5]", "qr.box"),
        ('pages = ["middle"]', 'pages = ["first"]', "pages"),
        ("xscale = 890", "xscale = 0", "xscale"),
        ('text = "备注"', 'text = "备"', "baseline"),
        ('align = "center"', 'align = "middle"', "align"),
        ('role = "mono"', 'role = "sans"', "role"),
        ('fits = "party_name"', 'fits = "no_such"', "fits"),
        ("fits = [{ size = 3.175 }]", "fits = []", "fits"),
        ("last = 7", "last = 9", "paging.last"),
        ("is_provisional = true", "is_provisional = 1", "is_provisional"),
        ("[paging]", "[payging]", "paging"),
        ('text = "名称："', "text = 7", "text"),
        ("ascent = 0.859375", "ascent = 8.6", "page.ascent"),
        ("abstract = true", "abstract = true\nabstract = true", "cannot be read"),
        ("frame_bottom = [4.5, 124, 205.5, 124]", "frame_bottom = [4.5, 141, 205.5, 141]", "leaves its page"),
        ('text = "开票人："', 'text = "开票\\uE123人："', "U\\+E123"),
    ],
)
def test_a_broken_template_is_refused_by_the_name_of_what_is_wrong(fonts, folder, old, new, named):
    edit(folder, old, new)
    with pytest.raises(ConfigError, match=named):
        TemplateRegistry(folder).load("vat_special", fonts=fonts)


def test_a_form_without_a_title_is_refused(fonts, folder):
    shutil.copytree(folder / "vat_form", folder / "vat_untitled")
    edit(folder, "abstract = true", "", "vat_untitled")
    with pytest.raises(ConfigError, match="title"):
        TemplateRegistry(folder).load("vat_untitled", fonts=fonts)
