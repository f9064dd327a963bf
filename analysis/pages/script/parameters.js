// Both accuracies over each parameter, as small figures that share the selection.
{
  const TOP = 10, LEFT = 64, RIGHT = 10, GAP = 14, ROW = 170, FOOT = 52;
  let columns = [], cells = [], width = 0, redraw = null;
  const ROWS = [["natural_accuracy", "natural accuracy"], ["attack_accuracy", "attack accuracy"]];
  const complete = () => Object.values(page.data.trials).filter((law) => law.state === "complete");

  // Equal texts must not hide each other: a shift that depends on the law alone.
  const shift = (law, column) => (column.kind === "category" ? (((law.trial * 0.618034) % 1) - 0.5) * (0.6 / column.categories.length) : 0);
  const range = (name) => {
    const values = complete().map((law) => law[name]);
    const low = Math.min(...values), high = Math.max(...values), room = Math.max(0.02, 0.08 * (high - low));
    return [low - room, high + room];
  };

  function compose(given, colours) {
    width = given;
    const shapes = [], any = page.selection.size > 0, laws = complete().sort((a, b) => a.front - b.front);
    const wide = (width - LEFT - RIGHT - GAP * (columns.length - 1)) / Math.max(1, columns.length);
    cells = [];
    ROWS.forEach(([name, label], row) => {
      const [low, high] = range(name), top = TOP + row * (ROW + GAP);
      const y = (value) => top + ROW * (1 - (value - low) / (high - low));
      shapes.push({ text: label, at: [14, top + ROW / 2], turn: -90, align: "center", size: 12, colour: colours.text });
      columns.forEach((column, k) => {
        const left = LEFT + k * (wide + GAP), x = (share) => left + 8 + share * (wide - 16);
        for (const value of page.ticks(low, high, 4)) {
          shapes.push({ line: [[left, y(value)], [left + wide, y(value)]], colour: colours.line });
          if (!k) shapes.push({ text: (100 * value).toFixed(0) + "%", at: [left - 5, y(value) + 4], align: "right", size: 11, colour: colours.text });
        }
        shapes.push({ line: [[left, top], [left, top + ROW], [left + wide, top + ROW]], colour: colours.soft });
        const dots = [];
        for (const law of laws) {
          const share = page.share(column, column.of(law));
          if (share === null) continue;
          const at = [x(share + shift(law, column)), y(law[name])], chosen = page.selection.has(law.trial);
          dots.push({ law, at });
          shapes.push({ dot: [...at, chosen ? 4.5 : 3.2], colour: any && chosen && !law.front ? colours.chosen : page.colourOf(law, colours), edge: colours.card, opacity: any && !chosen ? 0.12 : 0.9 });
        }
        cells.push({ left, top, right: left + wide, bottom: top + ROW, dots });
        if (!row) return;
        const room = Math.max(6, Math.floor(wide / 6.2));
        const labels = column.kind === "category"
          ? column.categories.map((value) => [page.share(column, value), page.shortened(value, Math.max(4, Math.floor(room / column.categories.length)))])
          : page.ticks(column.low, column.high, wide > 130 ? 4 : 2).map((value) => [page.share(column, value), column.text(value)]);
        for (const [share, text] of labels) shapes.push({ text, at: [x(share), top + ROW + 15], align: "center", size: 10, colour: colours.text });
        const words = column.label.length > room ? [column.label.slice(0, column.label.lastIndexOf(" ", room)), column.label.slice(column.label.lastIndexOf(" ", room) + 1)] : [column.label];
        words.forEach((text, line) => shapes.push({ text: page.shortened(text, room + 2), at: [left + wide / 2, top + ROW + 31 + 13 * line], align: "center", size: 12, colour: colours.text }));
      });
    });
    return { height: TOP + 2 * ROW + GAP + FOOT, shapes };
  }

  const cellAt = (x, y) => cells.find((cell) => x >= cell.left && x <= cell.right && y >= cell.top && y <= cell.bottom);
  function lawAt(x, y) {
    let best = null, least = 9;
    for (const { law, at } of cellAt(x, y)?.dots ?? []) {
      const far = Math.hypot(at[0] - x, at[1] - y);
      if (far < least) [best, least] = [law, far];
    }
    return best;
  }

  page.starts = [...(page.starts ?? []), () => {
    const place = page.byId("parameters");
    if (!place) return;
    const refresh = () => { columns = page.columns().filter((column) => !column.accuracy && complete().some((law) => column.of(law) !== null)); };
    refresh();
    const holder = place.querySelector(".inner");
    holder.style.minWidth = LEFT + 96 * columns.length + "px";
    redraw = page.figure(holder, compose);
    place.toSvg = () => holder.toSvg(Math.max(1080, LEFT + 120 * columns.length));
    let cell = null;
    page.brush(holder, {
      from: (x, y) => Boolean((cell = cellAt(x, y))),
      box(x0, y0, x1, y1) {
        const [left, right] = [x0, x1].map((x) => Math.min(Math.max(x, cell.left), cell.right)).sort((a, b) => a - b);
        const [top, bottom] = [y0, y1].map((y) => Math.min(Math.max(y, cell.top), cell.bottom)).sort((a, b) => a - b);
        return [left, top, right - left, bottom - top];
      },
      drag(...ends) {
        const [left, top, wide, high] = this.box(...ends);
        const within = ({ at: [x, y] }) => x >= left && x <= left + wide && y >= top && y <= top + high;
        page.selection.set(cell.dots.filter(within).map(({ law }) => law.trial), "parameters");
      },
      tap(x, y) { const law = lawAt(x, y); if (law) page.selection.togglePin(law.trial); },
      move: (x, y, event) => { const law = lawAt(x, y); page.tip(event, law && page.lawLines(law)); },
      leave: () => page.tip(null, null),
    });
    page.selection.listen(redraw, place);
    page.updates = [...(page.updates ?? []), () => { refresh(); redraw(); }];
  }];
}
