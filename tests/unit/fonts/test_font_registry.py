"""Finding and loading fonts by role."""

from pathlib import Path

import pytest

from render.errors import ConfigError
from render.fonts.registry import FontFile, FontSettings, find_fonts, load_fonts

NAMES = ("LXGWWenKai-Regular.ttf", "NotoSerifCJK-Regular.ttc", "LiberationMono-Regular.ttf")


@pytest.fixture
def folder(tmp_path):
    """A font folder of empty files by the right names; finding opens none of them."""
    for name in NAMES:
        path = tmp_path / "fonts" / "some" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "fonts"


def found(settings, *folders):
    return {status.role: status.file for status in find_fonts(settings, folders)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/fonts/a.ttf", FontFile(Path("/fonts/a.ttf"), 0)),
        ("/fonts/a.ttc#2", FontFile(Path("/fonts/a.ttc"), 2)),
        ("/fonts/c#sharp.ttf", FontFile(Path("/fonts/c#sharp.ttf"), 0)),
        ("/fonts/a.ttc#²", FontFile(Path("/fonts/a.ttc#²"), 0)),
    ],
)
def test_a_file_may_name_a_face_of_a_collection(text, expected):
    assert FontFile.parse(text) == expected


def test_a_leading_tilde_is_the_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert FontFile.parse("~/a.ttf").path == Path("/home/somebody/a.ttf")


def test_settings_are_read_from_their_four_names_and_nothing_else():
    values = {"KAIPIAO_FONT_KAI": "/k.ttf", "KAIPIAO_FONT_SONG": " ", "KAIPIAO_FONT_FALLBACK": "/a.ttf:/b.ttc#3"}
    settings = FontSettings.from_mapping(values | {"HOME": "/"})
    assert settings == FontSettings(
        kai=FontFile(Path("/k.ttf")), fallback=(FontFile(Path("/a.ttf")), FontFile(Path("/b.ttc"), 3))
    )


def test_known_open_fonts_are_found_by_name_in_subfolders(folder):
    files = found(FontSettings(), folder)
    assert {role: (file.path.name, file.index) for role, file in files.items()} == {
        "kai": ("LXGWWenKai-Regular.ttf", 0),
        "song": ("NotoSerifCJK-Regular.ttc", 2),
        "mono": ("LiberationMono-Regular.ttf", 0),
    }


def test_the_earlier_folder_wins(folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / NAMES[0]).touch()
    assert found(FontSettings(), own, folder)["kai"].path == own / NAMES[0]


def test_a_set_file_is_taken_instead_of_a_found_one(folder, tmp_path):
    chosen = tmp_path / "own.ttf"
    chosen.touch()
    assert found(FontSettings(kai=FontFile(chosen)), folder)["kai"].path == chosen


def test_status_tells_what_is_missing_and_what_was_set(folder, tmp_path):
    (folder / "some" / NAMES[2]).unlink()
    settings = FontSettings(kai=FontFile(tmp_path / "lost.ttf"), fallback=(FontFile(tmp_path / "gone.ttf"),))
    status = {entry.role: (entry.file is None, entry.is_set) for entry in find_fonts(settings, [folder])}
    assert status == {"kai": (True, True), "song": (False, False), "mono": (True, False), "fallback": (True, True)}


def test_everything_that_is_missing_is_named_at_once_with_the_remedy(tmp_path):
    settings = FontSettings(kai=FontFile(tmp_path / "lost.ttf"), fallback=(FontFile(tmp_path / "gone.ttf"),))
    with pytest.raises(ConfigError) as caught:
        load_fonts(settings, [tmp_path])
    for part in ("lost.ttf", "NotoSerifCJK-Regular.ttc", "LiberationMono-Regular.ttf", "gone.ttf", "kaipiao setup"):
        assert part in str(caught.value)


def test_a_file_that_is_no_font_is_refused_by_name(folder):
    with pytest.raises(ConfigError, match=r"LXGWWenKai-Regular\.ttf is not a usable font"):
        load_fonts(FontSettings(), [folder])


def test_roles_fall_back_to_one_another(fonts):
    kai, song, mono = (fonts.face(role) for role in ("kai", "song", "mono"))
    chains = {role: [fonts.faces[index] for index in chain][:3] for role, chain in fonts.chains.items()}
    assert chains["kai"][:2] == [kai, song]
    assert chains["song"][:2] == [song, kai]
    assert chains["mono"] == [mono, song, kai]


def test_mono_prints_chinese_in_song(fonts):
    assert not fonts.face("mono").has("甲")
    assert fonts.covers("mono", "甲")


def test_song_has_half_width_digits(fonts):
    song = fonts.face("song")
    assert {int(song.advance[song.cmap[ord(digit)]]) for digit in "0123456789-.%"} == {1_024_000}
    assert song.digest.endswith("h")


def test_mono_has_the_advance_that_the_form_is_drawn_for(fonts):
    mono = fonts.face("mono")
    assert int(mono.advance[mono.cmap[ord("0")]]) / 2_048_000 == pytest.approx(0.6, abs=0.001)


def test_a_fallback_stands_at_the_end_of_every_chain(fonts):
    extra = fonts.face("kai").path.with_name("LXGWWenKai-Bold.ttf")
    if not extra.is_file():
        pytest.skip("the bold face is not installed")
    book = load_fonts(FontSettings(fallback=(FontFile(extra),)))
    assert {book.faces[chain[-1]].path for chain in book.chains.values()} == {extra}
