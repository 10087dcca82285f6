"""A template's static part as display lists: watermark, rules, captions and seal, one list for each kind of page."""

from __future__ import annotations

from fractions import Fraction

from render.display.builder import DisplayListBuilder
from render.display.check import check
from render.display.list import Blend, DisplayList, Verb
from render.display.resources import Picture
from render.errors import ConfigError, GlyphMissing, OutputInvalid
from render.fonts.book import FontBook
from render.templates.sample import draw_sample_seal, draw_watermark, ellipse
from render.templates.spec import Caption, Mark, PageKind, TemplateSpec

_SAMPLE_ROLE = "kai"

# Half the square root of two: where the arms of a ⊗ meet its circle.
_DIAGONAL = Fraction(7071, 10000)


def compile_background(spec: TemplateSpec, kind: PageKind, fonts: FontBook, seal: Picture | None) -> DisplayList:
    """Return the one-page background of a kind of page.

    Painted in this order: watermark, rules, captions, seal. Where the operator supplies a seal there is no watermark.

    Raises:
        ConfigError: the template draws outside its page, or a caption has a character without a glyph.
    """
    builder = DisplayListBuilder(fonts)
    builder.page(*spec.page_um)
    if seal is None:
        draw_watermark(builder, spec, _SAMPLE_ROLE)
    _draw_rules(builder, spec)
    label = builder.paint(*spec.colors["label"])
    for caption in spec.captions:
        if kind in caption.pages:
            _draw_caption(builder, caption, label)
    for mark in spec.marks:
        if kind in mark.pages:
            _draw_mark(builder, mark, label)
    if seal is None:
        draw_sample_seal(builder, spec, _SAMPLE_ROLE)
    else:
        paint = builder.paint(0, 0, 0, blend=Blend.MULTIPLY)
        builder.image(seal.digest, spec.seal_box_um, paint=paint, tag="seal.picture")
    try:
        background = builder.freeze()
        check(background)
    except (GlyphMissing, OutputInvalid) as error:
        raise ConfigError(f"the {kind.value} page cannot be drawn: {error}", hint="Mend the template file.") from error
    return background


def _draw_rules(builder: DisplayListBuilder, spec: TemplateSpec) -> None:
    for strip in spec.strips:
        builder.rects([strip.box_um], paint=builder.paint(*strip.color), tag=f"rule.strip_{strip.name}")
    paint = builder.paint(*spec.colors["label"])
    for rule in spec.rules:
        builder.line(*rule.start_um, *rule.end_um, spec.rule_width_um, paint=paint, tag=f"rule.{rule.name}")


def _draw_caption(builder: DisplayListBuilder, caption: Caption, paint: int) -> None:
    tag = f"caption.{caption.name}"
    size, x, xscale = caption.size_um, caption.x_um, caption.xscale
    if len(caption.baselines_um) > 1:
        for char, baseline in zip(caption.text, caption.baselines_um, strict=True):
            builder.text(caption.role, size, x, baseline, char, paint=paint, tag=tag, xscale=xscale)
        return
    builder.text(
        caption.role,
        size,
        x,
        caption.baselines_um[0],
        caption.text,
        paint=paint,
        tag=tag,
        xscale=xscale,
        steps_um=caption.steps_um,
    )


def _draw_mark(builder: DisplayListBuilder, mark: Mark, paint: int) -> None:
    (x, y), radius = mark.center_um, mark.radius_um
    arm = round(radius * _DIAGONAL)
    verbs, points = ellipse((x - radius, y - radius, x + radius, y + radius))
    verbs += [Verb.MOVE, Verb.LINE, Verb.MOVE, Verb.LINE]
    points += [(x - arm, y - arm), (x + arm, y + arm), (x - arm, y + arm), (x + arm, y - arm)]
    builder.path(verbs, points, paint=paint, tag=f"rule.mark_{mark.name}", stroke_um=mark.width_um)
