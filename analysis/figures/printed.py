"""Figures for publications: a Plotly figure drawn by Matplotlib, as PDF, SVG and PNG, without a browser.

It understands what the figures of this package use: scatter with lines, markers, names, intervals and filled areas;
bars with intervals; heat maps; lines across; annotations; grids of subplots.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from analysis.figures.look import NEUTRAL
from mi_tune.runtime.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

KINDS = ("pdf", "svg", "png")
WIDTH = 760
"""Width in the pixels of the page, of which 96 are an inch: 7.9 inches, for a full page width after some shrinking."""
DOTS = 300
INK, SOFT, GRID = "#1d2430", "#56606e", "#e3e6ea"
NARROW = 0.17
"""A subplot of less than this share of the width has few ticks, and names that stand aslant."""
SYMBOLS = {
    "circle": "o", "circle-open": "o", "diamond": "D", "diamond-open": "D", "square": "s", "square-open": "s",
    "triangle-up-open": "^", "triangle-left": "<", "x-thin": "x", "line-ns": "|",
}  # fmt: skip
DASHES = {"dash": (0, (5, 3)), "dot": (0, (1, 2)), "dashdot": (0, (5, 2, 1, 2))}
STEPS = {"hv": "steps-post", "vh": "steps-pre"}


def write_figures(figures: Mapping[str, go.Figure], folder: Path) -> list[Path]:
    """Write every figure as `NAME.pdf`, `NAME.svg` and `NAME.png` into a folder, which is made.

    Raises:
        InputError: Matplotlib is not installed, or the folder cannot be written to.
    """
    _matplotlib()
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            drawn = draw_printed(figure)
            for kind in KINDS:
                written.append(folder / f"{name}.{kind}")
                # no date in the file, so that the same study gives the same file
                date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
                drawn.savefig(written[-1], dpi=DOTS, metadata=date)
    except OSError as error:
        raise InputError(f"--figures {folder}: cannot write there ({error.strerror})") from error
    return written


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise InputError('publication figures need Matplotlib: pip install "mi_tune[figures]"') from None
    matplotlib.rcParams["svg.hashsalt"] = "mi_tune"  # equal names inside equal files
    return matplotlib


def draw_printed(figure: go.Figure) -> Figure:
    """The figure as a Matplotlib figure, black on white."""
    _matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    layout = figure.layout
    height = layout.height or 450
    names = [trace.name for trace in figure.data if trace.showlegend is not False and trace.name]
    beside = bool(names) and layout.showlegend is not False and layout.legend.orientation != "h" and len(names) > 1
    margin = layout.margin
    left, right = max(margin.l or 64, 70), 190 if beside else 24
    top, bottom = margin.t or 24, margin.b or 56
    if len([key for key in layout if re.fullmatch(r"xaxis\d*", key)]) > 10:
        bottom += 34  # names of narrow subplots stand aslant
    if layout.coloraxis.cmax is not None:
        right = 90
    drawn = Figure(figsize=(WIDTH / 96, height / 96), facecolor="white")
    plot = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height)
    axes: dict[str, Axes] = {}
    for key in sorted(found for found in layout if re.fullmatch(r"yaxis\d*", found)):
        number = key.removeprefix("yaxis")
        x, y = layout[f"xaxis{number}"], layout[key]
        across, up = x.domain or (0, 1), y.domain or (0, 1)
        place = (
            plot[0] + across[0] * plot[2], plot[1] + up[0] * plot[3],
            (across[1] - across[0]) * plot[2], (up[1] - up[0]) * plot[3],
        )  # fmt: skip
        axes[number] = drawn.add_axes(place)
    if not axes:
        axes[""] = drawn.add_axes(plot)
    image = None
    categories: dict[str, list[str]] = {}
    for trace in figure.data:
        number = (trace.yaxis or "y")[1:]
        if trace.type == "heatmap":
            scale = layout.coloraxis
            image = axes[number].imshow(np.asarray(trace.z, float), cmap="viridis", vmin=scale.cmin, vmax=scale.cmax)
        else:
            (_bars if trace.type == "bar" else _scatter)(axes[number], trace, layout, number, categories)
    for number, ax in axes.items():
        _axis(ax, layout, number)
    if image is not None:
        bar = drawn.add_axes((1 - (right - 14) / WIDTH, plot[1], 14 / WIDTH, plot[3]))
        drawn.colorbar(image, cax=bar, format=PercentFormatter(1.0, decimals=0))
        bar.tick_params(labelsize=8)
    _shapes(axes, layout)
    _annotations(drawn, axes, layout, plot)
    _legend(drawn, axes.values(), beside, plot, figure)
    return drawn


def _colour(text: Any) -> Any:
    """A colour of Plotly for Matplotlib: names and `#rrggbb` are the same, `rgba(...)` becomes numbers."""
    found = re.fullmatch(r"rgba?\(([^)]*)\)", str(text))
    if found is None:
        return text
    red, green, blue, *alpha = (float(part) for part in found[1].split(","))
    return (red / 255, green / 255, blue / 255, alpha[0] if alpha else 1.0)


def _plain(text: str) -> str:
    """Text without markup."""
    return unescape(re.sub(r"<[^>]+>", "", text.replace("<br>", "\n"))).replace("$", r"\$")


def _values(layout: Any, key: str, values: Any, categories: dict[str, list[str]]) -> np.ndarray:
    """Numbers along an axis; texts become their positions in the order in which they come."""
    given = list(values)
    if not any(isinstance(value, str) for value in given):
        return np.asarray(given, float)
    order = layout[key].categoryarray
    known = categories.setdefault(key, list(order) if order is not None else [])
    known += [value for value in dict.fromkeys(given) if value not in known]
    layout[key].update(tickvals=list(range(len(known))), ticktext=known)
    return np.array([known.index(value) for value in given], float)


def _errors(bars: Any) -> np.ndarray | None:
    if bars.array is None:
        return None
    ends = np.array([bars.array if bars.arrayminus is None else bars.arrayminus, bars.array], float)
    return np.maximum(np.nan_to_num(ends), 0)


def _scatter(ax: Axes, trace: go.Scatter, layout: Any, number: str, categories: dict[str, list[str]]) -> None:
    if trace.x is None or not len(trace.x):
        return
    x = _values(layout, f"xaxis{number}", trace.x, categories)
    y = _values(layout, f"yaxis{number}", trace.y, categories)
    mode, opacity = trace.mode or "lines", 1.0 if trace.opacity is None else trace.opacity
    label = trace.name if trace.showlegend is not False and trace.name else "_"
    if trace.fill == "toself":
        line = trace.line.color if trace.line.width else None
        ax.fill(
            x, y, facecolor=_colour(trace.fillcolor), alpha=opacity if trace.opacity else None,
            edgecolor=_colour(line) if line else "none", linewidth=0.75 * (trace.line.width or 0), label=label,
            zorder=1,
        )  # fmt: skip
    elif "lines" in mode and trace.line.width != 0:
        ax.plot(
            x, y, color=_colour(trace.line.color), linewidth=0.75 * (trace.line.width or 2), alpha=opacity,
            linestyle=DASHES.get(trace.line.dash or "solid", "solid"), drawstyle=STEPS.get(trace.line.shape, "default"),
            label="_" if "markers" in mode else label, zorder=2,
        )  # fmt: skip
    marker = trace.marker
    for bars, across in ((trace.error_x, True), (trace.error_y, False)):
        ends = _errors(bars)
        if ends is not None and bars.visible is not False:
            ax.errorbar(
                x, y, xerr=ends if across else None, yerr=None if across else ends, fmt="none",
                ecolor=_colour(bars.color or marker.color), elinewidth=0.75 * (bars.thickness or 1), zorder=2,
            )  # fmt: skip
    if "markers" in mode:
        symbols = marker.symbol if isinstance(marker.symbol, (list, tuple, np.ndarray)) else [marker.symbol] * len(x)
        colour = marker.color if marker.color is not None else trace.line.color
        for k, symbol in enumerate(dict.fromkeys(symbols)):
            mine = np.array([one == symbol for one in symbols])
            several = isinstance(colour, (list, tuple, np.ndarray))
            own = [_colour(one) for one in np.asarray(colour)[mine]] if several else _colour(colour)
            if symbol == "line-ns":  # a mark is all line
                own = _colour(marker.line.color or colour)
            size = np.broadcast_to(np.asarray(marker.size or 6, float), len(x))[mine]
            hollow = "open" in str(symbol) or symbol in ("x-thin", "line-ns")
            edge = marker.line.color or "white"
            ax.scatter(
                x[mine], y[mine], s=(0.75 * size) ** 2, marker=SYMBOLS.get(symbol or "circle", "o"),
                facecolors=own if symbol in ("x-thin", "line-ns") else "none" if hollow else own,
                edgecolors=None if symbol in ("x-thin", "line-ns") else own if hollow else _colour(edge),
                linewidths=0.75 * (marker.line.width or 0.6), alpha=opacity, label=label if k == 0 else "_", zorder=3,
            )  # fmt: skip
    if "text" in mode and trace.text is not None:
        _names(ax, trace, x, y)


def _names(ax: Axes, trace: go.Scatter, x: np.ndarray, y: np.ndarray) -> None:
    """The names of points, beside them."""
    texts = [trace.text] * len(x) if isinstance(trace.text, str) else trace.text
    given = trace.textposition or "top center"
    places = [given] * len(x) if isinstance(given, str) else given
    for at_x, at_y, text, place in zip(x, y, texts, places, strict=True):
        up, side = place.split()
        away = (0.75 * float(np.max(trace.marker.size or 8)) / 2 + 2) * np.array(
            [{"left": -1, "center": 0, "right": 1}[side], {"bottom": -1, "middle": 0, "top": 1}[up]]
        )
        ax.annotate(
            _plain(str(text)), (at_x, at_y), xytext=tuple(away), textcoords="offset points", fontsize=8,
            ha={"left": "right", "center": "center", "right": "left"}[side],
            va={"bottom": "top", "middle": "center", "top": "bottom"}[up], color=_colour(trace.textfont.color or INK),
        )  # fmt: skip


def _bars(ax: Axes, trace: go.Bar, layout: Any, number: str, categories: dict[str, list[str]]) -> None:
    x = _values(layout, f"xaxis{number}", trace.x, categories)
    y = _values(layout, f"yaxis{number}", trace.y, categories)
    colour = trace.marker.color
    own = [_colour(one) for one in colour] if isinstance(colour, (list, tuple, np.ndarray)) else _colour(colour)
    wide, bars = 1 - (layout.bargap or 0.2), trace.error_x if trace.orientation == "h" else trace.error_y
    ends, opacity = _errors(bars), trace.marker.opacity
    look: dict[str, Any] = {
        "color": own, "alpha": opacity, "label": trace.name or "_", "zorder": 2,
        "error_kw": {"ecolor": _colour(bars.color or INK), "elinewidth": 1, "capsize": 2},
    }  # fmt: skip
    if trace.orientation == "h":
        ax.barh(y, x, height=wide, xerr=ends, **look)
    else:
        ax.bar(x, y, width=wide, yerr=ends, **look)


def _axis(ax: Axes, layout: Any, number: str) -> None:
    """Title, range and ticks of both axes of a subplot."""
    from matplotlib.ticker import MaxNLocator

    ax.set_axisbelow(True)
    narrow = ax.get_position().width < NARROW
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for letter in "xy":
        axis, about = getattr(ax, f"{letter}axis"), layout[f"{letter}axis{number}"]
        if about.visible is False:
            axis.set_visible(False)
            ax.spines["bottom" if letter == "x" else "left"].set_visible(False)
        if about.range is not None:
            getattr(ax, f"set_{letter}lim")(*about.range)
        if about.title.text:
            size = 0.75 * (about.title.font.size or 13)
            text = _plain(about.title.text)
            if narrow and letter == "x":
                text, size = "\n".join(textwrap.wrap(text, 14)), 7.5
            getattr(ax, f"set_{letter}label")(text, fontsize=min(size, 9.5), color=INK)
        if about.tickvals is not None:
            axis.set_ticks(list(about.tickvals), [_plain(str(text)) for text in about.ticktext or about.tickvals])
            if narrow and letter == "x":
                axis.set_tick_params(rotation=50)
        else:
            axis.set_major_locator(MaxNLocator(3 if narrow and letter == "x" else 7, steps=[1, 2, 5, 10]))
        if (about.tickformat or "").endswith("%"):
            digits = int(about.tickformat[1:-1] or 0)
            axis.set_major_formatter(lambda value, _, digits=digits: f"{value:.{digits}%}")
        if about.matches or about.showticklabels is False:
            hidden = about.showticklabels is False
            axis.set_tick_params(labelbottom=not hidden, labelleft=not hidden)
        if about.showgrid is not False:
            axis.grid(color=GRID, linewidth=0.6)
        axis.set_tick_params(labelsize=8, colors=INK, length=2.5)


def _transform(ax: Axes, drawn: Figure, ref: str, plot: tuple[float, ...]) -> Transform:
    """From the coordinates that a reference of Plotly means to the figure; `paper` is the area of all subplots."""
    from matplotlib.transforms import Affine2D

    if ref == "paper":
        return Affine2D().scale(plot[2], plot[3]).translate(plot[0], plot[1]) + drawn.transFigure
    return ax.transAxes if ref.endswith("domain") else ax.transData


def _number_of(ref: str) -> str:
    return "" if ref == "paper" else ref.removesuffix(" domain")[1:]


def _shapes(axes: Mapping[str, Axes], layout: Any) -> None:
    """Lines across a subplot; all that these figures have."""
    for shape in layout.shapes:
        ax = axes.get(_number_of(shape.yref if shape.xref == "paper" else shape.xref)) or next(iter(axes.values()))
        look: dict[str, Any] = {
            "color": _colour(shape.line.color), "linewidth": 0.75 * (shape.line.width or 1), "zorder": 1.5,
            "linestyle": DASHES.get(shape.line.dash or "solid", "solid"),
        }  # fmt: skip
        if shape.y0 == shape.y1:
            ax.axhline(shape.y0, **look)
        else:
            ax.axvline(shape.x0, **look)


def _annotations(drawn: Figure, axes: Mapping[str, Axes], layout: Any, plot: tuple[float, ...]) -> None:
    from matplotlib.transforms import blended_transform_factory

    sides = {"left": "left", "center": "center", "right": "right", "auto": "center", None: "center"}
    heights = {"top": "top", "middle": "center", "bottom": "bottom", "auto": "center", None: "center"}
    for note in layout.annotations:
        first = next(iter(axes.values()))
        ax, beside = (axes.get(_number_of(ref), first) for ref in (note.xref or "x", note.yref or "y"))
        colour = SOFT if note.font.color == NEUTRAL else _colour(note.font.color or INK)
        look: dict[str, Any] = {
            "fontsize": 0.75 * (note.font.size or 12), "color": colour, "annotation_clip": False,
        }  # fmt: skip
        across = _transform(ax, drawn, note.xref or "x", plot)
        up = _transform(beside, drawn, note.yref or "y", plot)
        where = blended_transform_factory(across, up)
        if note.showarrow:
            line = {"arrowstyle": "-", "color": _colour(note.arrowcolor or INK), "linewidth": 0.6, "shrinkB": 5}
            ax.annotate(
                _plain(note.text), (note.x, note.y), xycoords=where, xytext=(0.75 * note.ax, -0.75 * note.ay),
                textcoords="offset points", ha="center", va="center", arrowprops=line, **look,
            )  # fmt: skip
            continue
        moved = (0.75 * (note.xshift or 0), 0.75 * (note.yshift or 0))
        ax.annotate(
            _plain(note.text), (note.x, note.y), xycoords=where, xytext=moved, textcoords="offset points",
            ha=sides[note.xanchor], va=heights[note.yanchor], rotation=-(note.textangle or 0), **look,
        )  # fmt: skip


def _legend(drawn: Figure, axes: Iterable[Axes], beside: bool, plot: tuple[float, ...], figure: go.Figure) -> None:
    if figure.layout.showlegend is False:
        return
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) < 2 and not beside:
        return
    look: dict[str, Any] = {"fontsize": 8, "frameon": False, "handlelength": 1.6}
    if beside:
        place = (plot[0] + plot[2] + 0.01, plot[1] + plot[3])
        drawn.legend(list(handles.values()), list(handles), loc="upper left", bbox_to_anchor=place, **look)
    else:
        drawn.legend(
            list(handles.values()), list(handles), loc="upper left", bbox_to_anchor=(plot[0], 1.0), ncols=5, **look
        )
