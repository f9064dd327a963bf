// A law, opened: its numbers, where it erases, how training went, what each person's results are, and its code.
{
  const code = (law) => law.code.map((line) => page.data.lines[line]).join("\n");
  page.codeOf = code;

  const part = (title, ...content) => {
    const box = page.element("section");
    box.append(page.element("h3", "", title), ...content);
    return box;
  };

  function own(name, text, compose) {
    const place = page.element("div", "own");
    place.dataset.figure = name;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", text);
    requestAnimationFrame(() => { page.figure(place, compose); page.offerFigure(place); });
    return place;
  }

  function curve([epochs, accuracy]) {
    const most = Math.max(...epochs);
    return (width, colours) => {
      const [left, right, top, bottom] = [46, width - 12, 10, 150], shapes = [];
      const x = (epoch) => left + (epoch / most) * (right - left), y = (value) => bottom - value * (bottom - top);
      for (const value of [0, 0.5, 1]) {
        shapes.push({ line: [[left, y(value)], [right, y(value)]], colour: colours.line }, { text: `${100 * value}%`, at: [left - 6, y(value) + 4], align: "right", size: 11, colour: colours.text });
      }
      for (const epoch of page.ticks(0, most)) shapes.push({ text: String(epoch), at: [x(epoch), bottom + 16], align: "center", size: 11, colour: colours.text });
      shapes.push({ text: "epoch", at: [(left + right) / 2, bottom + 32], align: "center", size: 11, colour: colours.soft });
      const points = epochs.map((epoch, k) => [x(epoch), y(accuracy[k])]);
      if (points.length > 1) shapes.push({ line: points, colour: colours.front, width: 2 });
      points.forEach((at) => shapes.push({ dot: [...at, 3], colour: colours.front }));
      return { height: bottom + 40, shapes };
    };
  }

  // One column a person, by falling attack accuracy: a bar for the attack, a ring for natural accuracy.
  function people(found) {
    const attack = found.attack_accuracy, natural = found.natural_accuracy;
    const order = natural.map((_, k) => k).sort((a, b) => (attack ? (attack[b] ?? -1) - (attack[a] ?? -1) : 0) || natural[b] - natural[a]);
    return (width, colours) => {
      const [left, right, top, bottom] = [46, width - 8, 26, 176], shapes = [], step = (right - left) / order.length;
      const y = (value) => bottom - (value / 100) * (bottom - top);
      shapes.push({ box: [left, 4, 10, 10], fill: colours.reference }, { text: "attack accuracy", at: [left + 15, 13], size: 11, colour: colours.text });
      shapes.push({ dot: [left + 124, 9, 4], colour: colours.card, edge: colours.text }, { text: "natural accuracy", at: [left + 134, 13], size: 11, colour: colours.text });
      for (const value of [0, 50, 100]) {
        shapes.push({ line: [[left, y(value)], [right, y(value)]], colour: colours.line }, { text: `${value}%`, at: [left - 6, y(value) + 4], align: "right", size: 11, colour: colours.text });
      }
      order.forEach((person, k) => {
        const x = left + (k + 0.5) * step;
        if (attack && attack[person] !== null) shapes.push({ box: [x - step * 0.35, y(attack[person]), step * 0.7, bottom - y(attack[person])], fill: colours.reference });
        shapes.push({ dot: [x, y(natural[person]), Math.min(4, Math.max(1.5, step * 0.3))], colour: colours.card, edge: colours.text });
        if (step > 17) shapes.push({ text: String(person + 1), at: [x, bottom + 14], size: 10, align: "center", colour: colours.soft });
      });
      shapes.push({ text: "person (numbered; the same in every law)", at: [(left + right) / 2, bottom + 30], size: 11, align: "center", colour: colours.soft });
      return { height: bottom + 38, shapes };
    };
  }
  const peopleText = (found) => {
    const attack = (found.attack_accuracy ?? []).filter((value) => value !== null);
    if (!attack.length) return `Natural accuracy of ${found.natural_accuracy.length} people; none was attacked.`;
    const count = (test) => attack.filter(test).length;
    return `Of ${attack.length} people, ${count((value) => value > 50)} are recognised in more than half of their reconstructions, and ${count((value) => value === 0)} in none.`;
  };

  function show() {
    const dialog = page.byId("opened"), number = page.selection.opened;
    if (number === null) { if (dialog.open) dialog.close(); return; }
    if (dialog.open && dialog.dataset.trial === String(number)) { pinText(); return; }
    dialog.dataset.trial = number;
    const law = page.data.trials[number], box = page.element("div", "law-parts");
    const numbers = page.element("dl", "big");
    const row = (term, value) => numbers.append(page.element("dt", "", term), page.element("dd", "", value));
    row("natural accuracy", page.interval(law, "natural_accuracy"));
    row("attack accuracy", page.interval(law, "attack_accuracy"));
    if (page.data.recogniser) row("recognised by " + page.data.recogniser, page.interval(law, "recognised"));
    row("attack's starts", page.percent(law.start_attack_accuracy));
    row("erased in training", page.percent(law.realised_area) + " of the pixels");
    for (const one of page.data.parameters) {
      const value = law.parameters[one.name];
      if (!page.data.described.includes(one.name) && value !== null) row(one.label, String(value));
    }
    row("runs", `${law.runs}, ${law.seconds === null ? "–" : law.seconds.toFixed(0) + " s"}`);
    box.append(part("Numbers", numbers));
    const pre = page.element("pre", "", code(law)), copying = page.element("div", "code");
    copying.append(page.button("Copy", (event) => page.copy(event.currentTarget, code(law))), pre);
    const last = part("The code", ...(law.obstacles.length ? [page.element("p", "", `torchvision cannot express this law: ${law.obstacles.join("; ")}.`)] : []), copying);
    box.append(last);
    if (law.map) {
      const text = `Where images were erased: on average ${(100 * law.map.mean).toFixed(0)}% of the pixels`;
      box.append(part("Where it erases", own(`law-${number}-map`, text, (width, colours) => ({
        height: 212, shapes: [...page.mapShapes(law.map, 0, 4, 170), ...page.mapKey(0, 184, 170, colours)] }))));
    }
    if (law.curve) {
      const [epochs, accuracy] = law.curve;
      box.append(part("How training went", own(`law-${number}-training`, `Natural accuracy over epochs, ${page.percent(accuracy[accuracy.length - 1])} at the end`, curve(law.curve))));
    }
    if (law.people) {
      const text = peopleText(law.people), wide = part("Each person", page.element("p", "", text), own(`law-${number}-people`, "Results of each person. " + text, people(law.people)));
      wide.className = "wide";
      box.append(wide);
    }
    const faces = page.faceStrips?.([number]);
    if (faces) { const wide = part("Reconstructions", faces); wide.className = "wide"; box.append(wide); }
    const about = [law.law];
    if (law.reason) about.push(law.reason);
    dialog.querySelector("h2").textContent = page.title(law) + (law.front ? " · on the front" : law.state === "complete" ? "" : " · " + law.state);
    dialog.querySelector(".about").textContent = about.join(". ");
    dialog.querySelector(".content").replaceChildren(box);
    pinText();
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(".content").scrollTop = 0;
  }
  const pinText = () => { page.byId("opened-pin").textContent = page.selection.pinned(page.selection.opened) ? "Unpin" : "Pin"; };

  // The law before or after, in the order of the table or by number.
  const step = (by) => {
    const rows = [...document.querySelectorAll("#trials tbody tr")].map((row) => Number(row.dataset.trial));
    const order = rows.length > 1 ? rows : Object.keys(page.data.trials).map(Number);
    const at = order.indexOf(page.selection.opened);
    page.selection.open(order[(at + by + order.length) % order.length]);
  };

  page.starts = [...(page.starts ?? []), () => {
    const dialog = page.byId("opened");
    dialog.addEventListener("close", () => { if (page.selection.opened !== null) page.selection.close(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    page.byId("opened-pin").addEventListener("click", () => page.selection.togglePin(page.selection.opened));
    page.byId("opened-before").addEventListener("click", () => step(-1));
    page.byId("opened-after").addEventListener("click", () => step(1));
    page.byId("opened-close").addEventListener("click", () => dialog.close());
    page.selection.listen(show);
    show();
  }];
}
