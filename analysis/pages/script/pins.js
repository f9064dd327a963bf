// Pinned laws side by side, and faces where the page may show them.
{
  const SIZE = 56;

  function strip(name, stored, marks) {
    const row = page.element("div", "strip");
    row.append(page.element("div", "name", name));
    for (let k = 0; k < page.data.faces.classes; k++) {
      const face = page.element("div", "face" + (marks && marks[k] ? " hit" : ""));
      face.style.backgroundImage = `url(${stored.uri})`;
      face.style.backgroundSize = `${page.data.faces.classes * SIZE}px ${SIZE}px`;
      face.style.backgroundPosition = `${-k * SIZE}px 0`;
      row.append(face);
    }
    return row;
  }

  // Strips of real images and of these laws' reconstructions; null if there is nothing to show.
  page.faceStrips = (numbers) => {
    const { faces } = page.data, there = faces ? numbers.filter((number) => faces.trials[number]) : [];
    if (!there.length) return null;
    const box = page.element("div", "faces");
    box.tabIndex = 0;
    box.setAttribute("role", "img");
    const told = there.map((number) => {
      const marks = faces.trials[number].identified, law = page.data.trials[number];
      return `${page.title(law)}: ${marks.reduce((sum, mark) => sum + mark, 0)} of ${marks.length} recognised`;
    });
    box.setAttribute("aria-label", "Real images and best reconstructions. " + told.join("; "));
    box.append(strip("real", faces.real), ...there.map((number) => {
      const law = page.data.trials[number];
      return strip(`${page.title(law)} (${page.percent(law.attack_accuracy)})`, faces.trials[number], faces.trials[number].identified);
    }));
    return box;
  };

  function card(number) {
    const law = page.data.trials[number], box = page.element("article", "pin");
    const close = page.button("×", () => page.selection.unpin(number), "close");
    close.setAttribute("aria-label", "Unpin " + page.title(law));
    box.append(close, page.element("h3", "", page.title(law) + (law.front ? " · on the front" : "")), page.element("p", "", law.law));
    const line = (name, value) => {
      const text = page.element("p");
      text.append(name + " ", page.element("b", "", value));
      box.append(text);
    };
    if (law.natural_accuracy !== null) line("natural", page.interval(law, "natural_accuracy"));
    if (law.attack_accuracy !== null) line("attack", page.interval(law, "attack_accuracy"));
    if (law.over_controls !== null) line("against the lowest control", page.interval(law, "over_controls"));
    if (law.recognised !== null) line("recognised", page.interval(law, "recognised"));
    if (law.realised_area !== null) line("erased in training", page.percent(law.realised_area) + " of the pixels");
    if (law.reason) box.append(page.element("p", "", law.reason));
    const row = page.element("p", "actions");
    row.append(page.button("Open", () => page.selection.open(number)), page.button("Copy its code", (event) => page.copy(event.currentTarget, page.codeOf(law))));
    box.append(row);
    return box;
  }

  let before = null;
  const show = () => {
    const { pins } = page.selection;
    if (before === pins.join()) return;
    before = pins.join();
    page.byId("cards").replaceChildren(...(pins.length ? pins.map(card) : [page.element("p", "", "Nothing is pinned.")]));
    page.byId("faces").replaceChildren(...[page.faceStrips(pins)].filter(Boolean));
  };

  page.starts = [...(page.starts ?? []), () => {
    if (!page.byId("cards")) return;
    page.selection.listen(show);
    show();
    page.updates = [...(page.updates ?? []), () => { before = null; show(); }];
  }];
}
