"""What `kaipiao render` and `kaipiao submit` let people ask for: outputs, resolution, level and colours."""

from __future__ import annotations

from typing import Annotated

import typer

from render.encode.formats import DEFAULT_OUTPUTS, FORMATS, LEVELS, MODES, OUTPUT_KINDS

_PANEL = "What to make"
_MODES_OF_FORMATS = "; ".join(f"{kind}: {', '.join(one.encoders)}" for kind, one in FORMATS.items())

Pdf = Annotated[bool, typer.Option("--pdf", help="Make PDF: short for --outputs pdf.", rich_help_panel=_PANEL)]
Png = Annotated[bool, typer.Option("--png", help="Make PNG: short for --outputs png.", rich_help_panel=_PANEL)]
Outputs = Annotated[
    str,
    typer.Option(
        "--outputs",
        metavar="KIND,KIND",
        help=f"Any of {', '.join(OUTPUT_KINDS)}. tiff and g4 (bilevel, for fax and archives) hold all pages in one "
        f"file, other pictures are one file a page. Nothing named = {','.join(DEFAULT_OUTPUTS)}.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Dpi = Annotated[int, typer.Option(min=72, max=600, help="Resolution of pictures.", rich_help_panel=_PANEL)]
Level = Annotated[
    str,
    typer.Option(
        metavar="|".join(LEVELS),
        help="small = at most 85 % of the bytes of fast (at 150 dpi and above) in several times the time.",
        rich_help_panel=_PANEL,
    ),
]
Mode = Annotated[
    str,
    typer.Option(
        metavar="|".join(MODES),
        help=f"Colours of all pictures; auto = the first that a format has ({_MODES_OF_FORMATS}).",
        rich_help_panel=_PANEL,
    ),
]


def named_outputs(text: str, *, pdf: bool, png: bool) -> tuple[str, ...]:
    """Return the outputs that were named, each once, in the order of the list, then --pdf and --png.

    Args:
        text: of ``--outputs``, names with ``,`` between.
        pdf: whether ``--pdf`` was given.
        png: whether ``--png`` was given.
    """
    named = [name.strip() for name in text.split(",") if name.strip()]
    named += [kind for kind, is_wanted in (("pdf", pdf), ("png", png)) if is_wanted]
    return tuple(dict.fromkeys(named)) or DEFAULT_OUTPUTS
