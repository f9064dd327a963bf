// The bar at the foot of the window while something is selected, and the texts for a paper.
page.starts = [...(page.starts ?? []), () => {
  const bar = page.byId("bar"), { selection } = page;
  const words = page.element("span");
  const pins = page.button("Pin them", () => selection.numbers.slice(0, 8).forEach((number) => selection.pin(number)));
  const only = page.button("Show in the table", () => {
    const toggle = page.byId("only");
    if (toggle.getAttribute("aria-pressed") !== "true") toggle.click();
    page.byId("table-section").scrollIntoView();
  });
  const open = page.button("Open", () => selection.open(selection.numbers[0]));
  const save = page.button("CSV", () => page.save(page.fileName("selected.csv"), page.csv(page.plainRows(selection.numbers)), "text/csv"));
  save.setAttribute("aria-label", "Save the selected laws as CSV");
  bar.append(words, open, pins, only, save, page.button("Clear (Esc)", () => selection.clear()));
  let said = -1;
  const show = () => {
    const { size } = selection;
    bar.hidden = !size;
    open.hidden = size !== 1;
    words.textContent = `${size} law${size === 1 ? "" : "s"} selected`;
    if (said !== size && (size || said > 0)) page.say(words.textContent);
    said = size;
  };
  selection.listen(show);
  show();

  document.querySelectorAll("[data-copies]").forEach((button) => {
    button.addEventListener("click", () => page.copy(button, page.data.exports[button.dataset.copies]));
  });
}];
