// Parallel coordinates: one axis a column, one line a law. Each axis can be brushed, with the mouse or from the keyboard.
{
  const TOP = 46, BOTTOM = 30, SIDE = 54, GAP = 92, HEIGHT = 400, NOTHING = 26;
  const brushes = new Map(); // column → {low, high} in shares of the axis, or {categories}
  let columns = [], redraw = null, width = 0;

  const laws = () => Object.values(page.data.trials).filter((law) => law.natural_accuracy !== null);
  const bottom = () => HEIGHT - BOTTOM - (columns.some((column) => column.missing) ? NOTHING : 0);
  const across = (k) => (columns.length < 2 ? SIDE : SIDE + (k * (width - 2 * SIDE)) / (columns.length - 1));
  const height = (share) => (share === null ? HEIGHT - BOTTOM + 2 : bottom() - share * (bottom() - TOP));
  const shareAt = (y) => Math.min(1, Math.max(0, (bottom() - y) / (bottom() - TOP)));

  function passes(law) {
    for (const [name, brush] of brushes) {
      const column = columns.find((one) => one.name === name), value = column.of(law);
      const share = page.share(column, value);
      if (brush.categories ? !brush.categories.has(value ?? null) : share === null || share < brush.low - 1e-9 || share > brush.high + 1e-9) return false;
    }
    return true;
  }
  const apply = () => page.selection.set(brushes.size ? laws().filter(passes).map((law) => law.trial) : [], "parallel");

  function compose(given, colours) {
    width = given;
    const shapes = [], any = page.selection.size > 0;
    const line = (law) => columns.map((column, k) => [across(k), height(page.share(column, column.of(law)))]);
    const sorted = laws().sort((a, b) => a.front - b.front);
    const back = sorted.filter((law) => !any || !page.selection.has(law.trial));
    const dense = Math.min(1, 60 / Math.max(1, back.length)); // a thousand lines must not become one grey area
    for (const law of back) {
      const strong = law.front && !any;
      shapes.push({ line: line(law), colour: page.colourOf(law, colours), width: strong ? 2 : 1,
        opacity: any ? 0.06 + 0.1 * dense : strong ? 0.9 : 0.12 + 0.4 * dense, dash: law.state === "infeasible" ? [4, 3] : undefined });
    }
    if (any) {
      for (const law of sorted.filter((one) => page.selection.has(one.trial))) {
        shapes.push({ line: line(law), colour: law.front ? colours.front : colours.chosen, width: 2, opacity: 0.9, dash: law.state === "infeasible" ? [4, 3] : undefined });
      }
    }
    const room = Math.max(8, Math.floor((width - 2 * SIDE) / Math.max(1, columns.length - 1) / 6.6));
    columns.forEach((column, k) => {
      const x = across(k), align = k === 0 ? "left" : k === columns.length - 1 ? "right" : "center";
      const head = k === 0 ? x - SIDE + 4 : k === columns.length - 1 ? x + SIDE - 4 : x;
      const words = column.label.split(" "), half = Math.ceil(words.length / 2);
      const lines = column.label.length > room - 2 && words.length > 1 ? [words.slice(0, half).join(" "), words.slice(half).join(" ")] : ["", column.label];
      lines.forEach((text, row) => shapes.push({ text: page.shortened(text, room), at: [head, 14 + 14 * row], size: 12, bold: true, align, colour: colours.text }));
      shapes.push({ line: [[x, TOP], [x, bottom()]], colour: colours.soft, width: 1.2 });
      const labels = column.kind === "category"
        ? column.categories.map((value) => [page.share(column, value), page.shortened(value, room)])
        : page.ticks(column.low, column.high).map((value) => [page.share(column, value), column.text(value)]);
      for (const [share, text] of labels) {
        const y = height(share);
        shapes.push({ line: [[x - 3, y], [x + 3, y]], colour: colours.soft });
        shapes.push({ box: [x + 5, y - 7, 6.4 * text.length + 4, 14], fill: colours.card, opacity: 0.8 });
        shapes.push({ text, at: [x + 7, y + 4], size: 11, colour: colours.text });
      }
      if (column.missing) shapes.push({ text: "none", at: [x, HEIGHT - 12], size: 11, align: "center", colour: colours.soft });
      const brush = brushes.get(column.name);
      if (brush && !brush.categories) {
        const [y0, y1] = [height(brush.high), height(brush.low)];
        shapes.push({ box: [x - 8, y0, 16, Math.max(2, y1 - y0)], fill: colours.chosen, opacity: 0.25 }, { box: [x - 8, y0, 16, Math.max(2, y1 - y0)], colour: colours.chosen, width: 1.5 });
      } else if (brush) {
        const step = (bottom() - TOP) / column.categories.length;
        for (const value of brush.categories) {
          const y = height(page.share(column, value));
          shapes.push({ box: [x - 8, y - Math.min(step, 30) / 2, 16, Math.min(step, 30)], colour: colours.chosen, width: 1.5 });
        }
      }
    });
    return { height: HEIGHT, shapes };
  }

  const nearest = (x) => {
    let best = -1;
    columns.forEach((_, k) => { if (Math.abs(across(k) - x) < (best < 0 ? 26 : Math.abs(across(best) - x))) best = k; });
    return best;
  };

  // The law whose line passes nearest to a point.
  function lawAt(x, y) {
    let best = null, least = 7;
    const k = columns.findIndex((_, j) => j + 1 < columns.length && x >= across(j) && x <= across(j + 1));
    if (k < 0) return null;
    const way = (x - across(k)) / (across(k + 1) - across(k));
    for (const law of laws()) {
      const [from, to] = [k, k + 1].map((j) => height(page.share(columns[j], columns[j].of(law))));
      const far = Math.abs(from + way * (to - from) - y);
      if (far < least) [best, least] = [law, far];
    }
    return best;
  }

  function brushAxis(k, y0, y1) {
    const column = columns[k], [low, high] = [shareAt(Math.max(y0, y1)), shareAt(Math.min(y0, y1))];
    if (column.kind === "category") {
      const categories = column.categories.filter((value) => {
        const share = page.share(column, value), half = 0.5 / column.categories.length;
        return share + half * 0.4 >= low && share - half * 0.4 <= high;
      });
      brushes.set(column.name, { categories: new Set(categories) });
    } else brushes.set(column.name, { low, high });
    apply();
  }

  // The form of an axis: limits or categories, for the keyboard, a finger and a screen reader.
  function axisForm(column) {
    const box = page.element("details", "axis"), brush = brushes.get(column.name);
    box.append(page.element("summary", brush ? "active" : "", column.label));
    const form = page.element("form");
    form.addEventListener("submit", (event) => event.preventDefault());
    if (column.kind === "category") {
      for (const value of [...column.categories, ...(column.missing ? [null] : [])]) {
        const label = page.element("label"), tick = page.element("input");
        tick.type = "checkbox";
        tick.checked = brush ? brush.categories.has(value) : false;
        tick.addEventListener("change", () => {
          const now = new Set(brushes.get(column.name)?.categories ?? []);
          tick.checked ? now.add(value) : now.delete(value);
          now.size ? brushes.set(column.name, { categories: now }) : brushes.delete(column.name);
          apply();
        });
        label.append(tick, " " + (value === null ? "none" : column.text(value)));
        form.append(label);
      }
    } else {
      const factor = column.text(1).endsWith("%") ? 100 : 1, shown = (share) => Number((factor * (column.low + share * (column.high - column.low))).toPrecision(4));
      const fields = ["from", "to"].map((name, k) => {
        const label = page.element("label", "", name + " "), field = page.element("input");
        Object.assign(field, { type: "number", step: "any", value: shown(brush ? [brush.low, brush.high][k] : k) });
        field.addEventListener("change", () => {
          const [low, high] = fields.map((one, j) => (one.value === "" ? j : (Number(one.value) / factor - column.low) / (column.high - column.low)));
          low <= 1e-3 && high >= 1 - 1e-3 ? brushes.delete(column.name) : brushes.set(column.name, { low, high });
          apply();
        });
        label.append(field, factor === 100 ? " %" : "");
        form.append(label);
        return field;
      });
    }
    form.append(page.button("All", () => { brushes.delete(column.name); apply(); fillForms(); }));
    box.append(form);
    return box;
  }
  function fillForms() {
    const place = page.byId("axes");
    const open = [...place.querySelectorAll("details[open] summary")].map((one) => one.textContent);
    place.replaceChildren(...columns.map(axisForm));
    place.querySelectorAll("details").forEach((box) => { box.open = open.includes(box.firstChild.textContent); });
  }

  page.starts = [...(page.starts ?? []), () => {
    const place = page.byId("parallel");
    if (!place) return;
    const refresh = () => { columns = page.columns(); for (const name of brushes.keys()) if (!columns.some((one) => one.name === name)) brushes.delete(name); };
    refresh();
    const holder = place.querySelector(".inner");
    holder.style.minWidth = 2 * SIDE + GAP * (columns.length - 1) + "px";
    redraw = page.figure(holder, compose);
    place.toSvg = () => holder.toSvg(Math.max(1080, 2 * SIDE + GAP * (columns.length - 1)));
    page.brush(holder, {
      from: () => true,
      box: (x0, y0, x1, y1) => [across(Math.max(0, nearest(x0))) - 9, Math.min(y0, y1), 18, Math.abs(y1 - y0)],
      drag: (x0, y0, x1, y1) => { const k = nearest(x0); if (k >= 0) brushAxis(k, y0, y1); },
      done: fillForms,
      tap(x, y) {
        const k = nearest(x);
        if (k >= 0 && brushes.has(columns[k].name)) { brushes.delete(columns[k].name); apply(); fillForms(); return; }
        const law = lawAt(x, y);
        if (law) page.selection.togglePin(law.trial);
      },
      move: (x, y, event) => { const law = lawAt(x, y); page.tip(event, law && page.lawLines(law)); },
      leave: () => page.tip(null, null),
    });
    fillForms();
    page.selection.listen((source) => {
      if (source !== "parallel" && source !== null && brushes.size) { brushes.clear(); fillForms(); }
      redraw();
    }, place);
    page.updates = [...(page.updates ?? []), () => { refresh(); fillForms(); redraw(); }];
  }];
}
