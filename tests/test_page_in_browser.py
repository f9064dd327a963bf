"""The page of a study in a real browser: one selection everywhere, the table, the address, the keyboard, saving."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from browsing import a_browser, drag, opened, settle
from synthetic_study import DEFAULT, trial, write_study

from analysis.pages import write_report
from mi_tune.erasing import ErasingLaw

HOSTILE = '<img src=x onerror="window.hurt=1"></script><script>window.hurt=1</script>'
RECORDS = [
    *DEFAULT[:4],
    trial(4, 0.80, 0.30, law=ErasingLaw(probability=0.5, area=(0.1, 0.3), fill="noise", location="periphery")),
    DEFAULT[5],
    trial(6, 0.0, None, "failed", reason=HOSTILE),
    trial(7, 0.85, 0.75, law=ErasingLaw(probability=0.7, area=(0.2, 0.3), fill="midre")),
]


@pytest.fixture(scope="module")
def browser():
    with a_browser() as one:
        yield one


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_report(write_study(tmp_path_factory.mktemp("pages") / "known", RECORDS, name=HOSTILE)).as_uri()


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as one:
        yield one


def selected(page) -> list[int]:
    """What is selected, after a look that every figure and the table agree."""
    settle(page)
    numbers = sorted(page.evaluate("page.selection.numbers"))
    rows = page.eval_on_selector_all("#trials tr.chosen", "rows => rows.map(row => Number(row.dataset.trial))")
    assert sorted(rows) == numbers
    marked = page.evaluate(
        "[...document.querySelectorAll('.plot[data-figure=front] .trace')].flatMap(trace => "
        "[...trace.querySelectorAll('path.point.chosen')].map(point => "
        "Number(trace.__data__[0].trace.customdata[point.__data__.i][0])))"
    )
    assert sorted(marked) == [n for n in numbers if n != 6]  # the failed one is on no figure
    address = page.evaluate("location.hash")
    assert ("laws=" in address) == bool(numbers)
    return numbers


def column_of(page, name: str) -> list[str]:
    place = page.eval_on_selector_all("#trials th", "heads => heads.map(head => head.dataset.name)").index(name)
    return page.eval_on_selector_all(
        "#trials tbody tr", f"rows => rows.map(row => row.cells[{place}].innerText.trim())"
    )


def test_the_page_loads_offline_without_an_error_and_draws_every_figure(page):
    assert page.locator(".plot .main-svg").count() > 0
    for name in ("parallel", "parameters", "maps"):
        box = page.locator(f"#{name} canvas").bounding_box()
        assert box["width"] > 500 and box["height"] > 100
        pixels = page.evaluate(
            f"(() => {{ const c = document.querySelector('#{name} canvas'); return new Set(new Uint32Array("
            "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size; })()"
        )
        assert pixels > 5


def test_text_of_the_user_never_becomes_markup_or_code(page):
    assert page.evaluate("window.hurt") is None
    assert HOSTILE in page.inner_text("#trials")
    page.evaluate("page.selection.open(6)")
    settle(page)
    assert HOSTILE in page.inner_text("#opened")
    assert page.locator("#opened img").count() == 0
    assert page.evaluate("window.hurt") is None


def test_a_brush_on_the_front_selects_everywhere_and_escape_ends_it(page):
    drag(page, page.locator('.plot[data-figure="front"]'), (0.5, 0.15), (0.99, 0.52))
    assert selected(page) == [0, 1, 2, 3]
    assert "laws=0-3" in page.evaluate("location.hash")
    assert page.inner_text("#bar span") == "4 laws selected"
    page.keyboard.press("Escape")
    assert selected(page) == []
    assert not page.locator("#bar").is_visible()


def test_brushes_along_two_axes_narrow_the_selection(page):
    names = page.evaluate("page.columns().map(column => column.name)")
    holder = page.locator("#parallel .inner")
    wide = holder.bounding_box()["width"]
    at = {name: (54 + k * (wide - 108) / (len(names) - 1)) / wide for k, name in enumerate(names)}
    drag(page, holder, (at["natural_accuracy"], 0.1), (at["natural_accuracy"], 0.45))
    assert selected(page) == [0, 1, 2, 3, 4, 7]
    drag(page, holder, (at["attack_accuracy"], 0.1), (at["attack_accuracy"], 0.4))
    assert selected(page) == [0, 1, 3, 7]
    page.evaluate("page.selection.set([2], 'test')")  # another selection drops the brushes
    assert selected(page) == [2]
    assert page.locator("#axes summary.active").count() == 0


def test_a_category_of_an_axis_can_be_chosen_from_the_keyboard(page):
    page.locator("#axes summary", has_text="fill").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert selected(page) == [1, 7]  # fill midre, the second of mean, midre and noise
    page.locator("#axes summary", has_text="natural accuracy").click()
    assert page.locator("#axes details", has_text="natural accuracy").locator("input").count() == 2


def test_a_brush_over_a_parameter_selects_in_its_column(page):
    place = page.locator("#parameters .inner")
    drag(page, place, (0.062, 0.03), (0.99, 0.2))  # the upper part of the first column: natural accuracy above 89 %
    assert selected(page) == [0, 1, 2, 3]


def test_the_table_sorts_both_ways_with_missing_numbers_last(page):
    page.click('#trials th[data-name="attack_accuracy"] button')
    assert [text.split()[0] for text in column_of(page, "attack_accuracy") if text] == [
        "30.0",
        "60.0",
        "70.0",
        "75.0",
        "80.0",
        "90.0",
    ]
    assert column_of(page, "attack_accuracy")[-2:] == ["", ""]
    page.click('#trials th[data-name="attack_accuracy"] button')
    assert column_of(page, "attack_accuracy")[0].startswith("90.0")
    assert column_of(page, "attack_accuracy")[-2:] == ["", ""]
    assert page.get_attribute('#trials th[data-name="attack_accuracy"]', "aria-sort") == "descending"


def test_the_table_filters_by_typing(page):
    cases = {
        "periphery": {4}, "attack<70": {2, 4}, "natural>=92 attack<80": {1, 2}, "fill:mean": {2, 3, 5, 6},
        "failed": {6}, "MIDRE(0.1": {1}, "nothing like it": set(),
    }  # fmt: skip
    for typed, found in cases.items():
        page.fill("#filter", typed)
        shown = page.eval_on_selector_all("#trials tbody tr", "rows => rows.map(row => Number(row.dataset.trial))")
        assert set(shown) == found, typed
        page.click("#choose")
        assert set(selected(page)) == found


def test_the_table_filters_by_state(page):
    page.click('#states [data-state="infeasible"]')
    page.click('#states [data-state="failed"]')
    assert column_of(page, "state") == ["infeasible", "failed"]
    assert page.inner_text("#shown") == "2 of 8 laws"


def test_the_keyboard_alone_selects_opens_pins_and_closes(page):
    page.locator('#trials tr[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert selected(page) == [1]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    settle(page)
    assert page.evaluate("page.selection.pins") == [0, 2, 3]
    assert page.locator("#cards .pin h3", has_text="law 3").count() == 1
    page.keyboard.press("Enter")
    settle(page)
    assert page.locator("#opened").is_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")  # closes the law, and leaves the selection
    assert not page.locator("#opened").is_visible()
    assert selected(page) == [1]
    page.keyboard.press("Escape")
    assert selected(page) == []


def test_an_opened_law_shows_its_map_curve_people_and_code(page):
    page.click('#trials tr[data-trial="2"] .link')
    settle(page)
    titles = page.eval_on_selector_all("#opened h3", "all => all.map(one => one.textContent)")
    assert {"Numbers", "Where it erases", "How training went", "Each person", "The code"} <= set(titles)
    assert "92.0% [87, 97]" in page.inner_text("#opened")
    assert "ErasingLaw" in page.inner_text("#opened pre") or "RandomErasing" in page.inner_text("#opened pre")
    assert page.locator("#opened canvas").count() == 3
    assert "open=2" in page.evaluate("location.hash")


def test_the_address_brings_selection_pins_and_the_opened_law_back(browser, address):
    with opened(browser, f"{address}#laws=1-3,7&pins=4&open=7") as page:
        assert selected(page) == [1, 2, 3, 7]
        assert page.locator("#cards .pin").count() == 1
        assert page.locator("#opened h2").inner_text() == "law 7"
    with opened(browser, f"{address}#trial=2,3") as page:  # as pages of earlier versions wrote it
        assert page.evaluate("page.selection.pins") == [2, 3]
    with opened(browser, f"{address}#laws=99,abc&pins=77&open=50") as page:
        assert selected(page) == []
        assert page.locator("#cards .pin").count() == 0


def saved(page, act) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        act()
    download = waiting.value
    return download.suggested_filename, Path(download.path()).read_bytes()


def test_the_table_is_saved_as_csv_and_json_without_formulas(page):
    name, text = saved(page, lambda: page.click("#save-csv"))
    assert name.endswith("laws.csv")
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert [float(row["natural_accuracy"]) for row in rows[:3]] == [0.95, 0.94, 0.92]
    assert rows[6]["reason"] == HOSTILE
    _, text = saved(page, lambda: page.click("#save-json"))
    stored = json.loads(text)
    assert len(stored["laws"]) == 8
    assert "ppa, reduced budget" in stored["about"]
    page.evaluate("page.data.trials[7].reason = '=1+1'")
    _, text = saved(page, lambda: page.click("#save-csv"))
    assert list(csv.DictReader(io.StringIO(text.decode())))[7]["reason"] == "'=1+1"


def test_every_figure_is_saved_as_svg_and_png(page):
    for name in ("front", "progress", "training", "parallel", "parameters", "maps"):
        row = page.locator(f'[data-figure="{name}"] + .saving')
        file, text = saved(page, row.locator("button", has_text="SVG").click)
        assert file.endswith(f"{name}.svg")
        assert text.lstrip().startswith(b"<svg") and b"</svg>" in text
    _, picture = saved(page, page.locator('[data-figure="front"] + .saving button', has_text="PNG").click)
    assert picture.startswith(b"\x89PNG") and len(picture) > 10000


def test_the_front_is_copied_as_a_table_for_a_paper(page):
    page.click('[data-copies="latex"]')
    page.wait_for_function("document.querySelector('#paper pre, [data-copies=latex][data-name]') !== null")
    assert page.evaluate("page.data.exports.latex").count(r"\\") >= 4


CONTRAST = """(selector) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const shown = [...document.querySelectorAll(selector)].filter((one) => one.offsetParent && one.textContent.trim());
  return Math.min(...shown.map((one) => {
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
}"""
"""The least contrast (WCAG 2) of the text of these elements on what is behind them."""
TEXTS = "p, dd, dt, li, th, td, small, h1, h2, h3, button:not(:disabled), summary, a, label, em, strong, span"
NAMELESS = """() => [...document.querySelectorAll("button, input, [role=img], dialog, table#trials")]
  .filter((one) => !(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
    || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_in_light_and_in_dark(browser, address, scheme):
    with opened(browser, address, color_scheme=scheme) as page:
        page.evaluate("page.selection.set([1, 2], 'test')")
        settle(page)
        assert page.evaluate(CONTRAST, TEXTS) >= 4.5
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(int(v) for v in ground.strip("rgb()").split(",")) < 200) == (scheme == "dark")


def test_a_phone_scrolls_down_but_never_sideways(browser, address):
    with opened(browser, address, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.evaluate("page.selection.open(2)")
        settle(page)
        assert page.locator("#opened").bounding_box()["width"] <= 360


def test_print_is_light_complete_and_without_controls(browser, address):
    with opened(browser, address, color_scheme="dark") as page:
        assert page.pdf(format="A4").startswith(b"%PDF")
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        settle(page)
        assert not page.locator("#filter").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        table = page.locator(".scroll.tall")
        assert table.evaluate("one => one.scrollHeight <= one.clientHeight + 1")  # no row is hidden
        assert page.evaluate("document.querySelector('#axes').offsetParent") is None


def test_everything_has_a_name_for_a_screen_reader(page):
    assert page.evaluate(NAMELESS) == []
    page.evaluate("page.selection.set([1, 2, 3], 'test')")
    settle(page)
    assert page.inner_text("#said") == "3 laws selected"
