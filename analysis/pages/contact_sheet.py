"""One image of faces: real images above the best reconstructions of each attack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis.pages.faces import shown_classes
from analysis.statistics.attacks import Attacks
from mi_tune.runtime.cache import save_atomically

MAX_CLASSES_ON_SHEET = 12
CELL, FRAME = 72, 4
LABEL = 190
HIT, PAPER, INK = "#e4572e", "#ffffff", "#1d2430"


def write_contact_sheet(attacks: Attacks) -> Path | None:
    """Write contact_sheet.png into the folder; if faces may not be shown, delete it and return None.

    Reconstructions that the judge assigns to the attacked person have a frame.
    """
    path = attacks.folder / "contact_sheet.png"
    real = attacks.examples()
    if real is None:
        path.unlink(missing_ok=True)
        return None
    sheet = contact_sheet(attacks, real)
    save_atomically(path, lambda p: sheet.save(p), owner_only=True)
    return path


def contact_sheet(attacks: Attacks, real: np.ndarray) -> Image.Image:
    """The contact sheet. real: one image per class, uint8 (classes, channels, height, width)."""
    most = int(attacks.tried.classes.max()) if len(attacks.tried) else len(real)
    shown = shown_classes(min(most, len(real)), MAX_CLASSES_ON_SHEET)
    rows: list[tuple[str, np.ndarray, np.ndarray]] = [("real", real[shown], np.zeros(len(shown), bool))]
    for table in (attacks.samples, attacks.complete):
        for _, row in table.iterrows():
            faces = attacks.faces(row)
            if faces is not None:
                own = shown[shown < len(faces.images)]
                text = f"{attacks.title(row)} ({row.attack_accuracy:.0%})"
                rows.append((text, faces.images[own, 0], faces.identified[own, 0]))
    step = CELL + 2 * FRAME + 4
    sheet = Image.new("RGB", (LABEL + step * len(shown), step * len(rows)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for line, (text, images, hits) in enumerate(rows):
        wrapped = text.replace(" (", "\n(").replace(", ", ",\n")
        draw.multiline_text((8, line * step + step // 2), wrapped, fill=INK, font=font, anchor="lm")
        for column, (image, hit) in enumerate(zip(images, hits, strict=True)):
            left, top = LABEL + column * step + FRAME, line * step + FRAME + 2
            if hit:
                draw.rectangle((left - FRAME, top - FRAME, left + CELL + FRAME - 1, top + CELL + FRAME - 1), fill=HIT)
            pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            face = Image.fromarray(pixels).convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet.paste(face, (left, top))
    return sheet
