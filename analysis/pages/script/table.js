// The table of laws: sorts, filters by typing and by state, selects, pins and opens laws. It works from the keyboard.
{
  let sorted = { name: "trial", up: true }, states = new Set(), words = "", onlyChosen = false;
  let shownNumbers = [];
  const laws = () => Object.values(page.data.trials);
  const stateOf = (law) => (law.front ? "front" : law.state);
  const percentage = (name, label, title) => ({ name, label, title, of: (law) => law[name], number: true });

  const columns = () => [
    { name: "trial", label: "law", of: (law) => law.trial, number: true },
    { name: "state", label: "state", of: stateOf },
    { name: "law", label: "erasing law", of: (law) => (law.reference ? law.reference + ": " : "") + law.law },
    ...page.data.parameters
      .filter((one) => !page.data.described.includes(one.name))
      .map((one) => ({ name: one.name, label: one.label, of: (law) => law.parameters[one.name], number: one.kind === "number", plain: true })),
    percentage("natural_accuracy", "natural %"),
    percentage("attack_accuracy", "attack %"),
    ...(page.data.recogniser ? [percentage("recognised", "recognised %")] : []),
    ...(laws().some((law) => law.over_controls !== null) ? [percentage("over_controls", "against controls")] : []),
    percentage("start_attack_accuracy", "start %"),
    percentage("target_accuracy_on_reconstructions", "target %"),
    percentage("realised_area", "erased %"),
    { name: "seconds", label: "seconds", of: (law) => law.seconds, number: true, seconds: true },
  ];

  // What a law is found by, and comparisons such as "attack<30" or "natural>=80" (percent), "fill:noise".
  const SHORT = { natural: "natural_accuracy", attack: "attack_accuracy", recognised: "recognised", erased: "realised_area", target: "target_accuracy_on_reconstructions", start: "start_attack_accuracy" };
  const textOf = (law) =>
    [page.title(law), law.trial, stateOf(law), law.state, law.law, law.reason, ...Object.values(law.parameters)].join(" ").toLowerCase();
  const found = (law, word) => {
    const compared = /^([\w.]+)(<=|>=|<|>|=|:)(.+)$/.exec(word);
    if (compared) {
      const [, name, sign, wanted] = compared, column = SHORT[name] ?? Object.keys(law.parameters).find((one) => one.toLowerCase() === name || one.toLowerCase().endsWith("." + name));
      if (column) {
        const value = law[column] ?? law.parameters[column] ?? null;
        if (value === null) return false;
        if (typeof value === "string") return sign === "=" ? value.toLowerCase() === wanted : value.toLowerCase().includes(wanted);
        const scale = SHORT[name] ? 100 : 1, left = scale * value, right = Number(wanted.replace("%", ""));
        return { "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right, "=": Math.abs(left - right) < 1e-6, ":": String(left).includes(wanted) }[sign];
      }
    }
    return textOf(law).includes(word);
  };
  const passes = (law) =>
    (!states.size || states.has(stateOf(law))) &&
    words.toLowerCase().split(/\s+/).every((word) => found(law, word)) &&
    (!onlyChosen || page.selection.has(law.trial));

  function cellOf(column, law) {
    const cell = page.element("td");
    const value = column.of(law);
    if (column.name === "trial") {
      const tick = page.element("input");
      tick.type = "checkbox";
      tick.tabIndex = -1;
      tick.setAttribute("aria-label", "Select " + page.title(law));
      tick.addEventListener("click", (event) => { event.stopPropagation(); page.selection.toggle(law.trial); });
      const link = page.button(String(law.trial), () => page.selection.open(law.trial), "link");
      link.tabIndex = -1;
      link.setAttribute("aria-label", "Open " + page.title(law));
      const pin = page.button("", () => page.selection.togglePin(law.trial), "pinning");
      pin.tabIndex = -1;
      cell.append(tick, link, pin);
      cell.className = "first";
    } else if (column.name === "law") {
      if (law.reference) cell.append(page.element("strong", "", law.reference), law.law === "no erasing" ? "" : ": ");
      if (!law.reference || law.law !== "no erasing") cell.append(law.law);
      if (law.runs > 1) cell.append(page.element("small", "", `mean of ${law.runs} runs`));
      if (law.reason) cell.append(page.element("small", "", law.reason));
    } else if (value === null || value === undefined) {
      cell.append(column.number ? "" : "–");
    } else if (!column.number || column.plain) {
      cell.append(typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value));
    } else if (column.seconds) {
      cell.append(value.toFixed(1));
    } else {
      cell.append((100 * value).toFixed(1));
      const [low, high] = [law[column.name + "_low"], law[column.name + "_high"]];
      if (low !== null && low !== undefined) cell.append(" ", page.element("span", "interval", `${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)}`));
    }
    if (column.number && column.name !== "trial") cell.classList.add("number");
    return cell;
  }

  const rows = new Map(); // number → its row, made once; sorting and filtering only move and hide rows
  function build() {
    const table = page.byId("trials"), shown = columns();
    rows.clear();
    table.tHead.replaceChildren(page.element("tr"));
    for (const column of shown) {
      const head = page.element("th", column.number && column.name !== "trial" ? "number" : "");
      head.scope = "col";
      head.dataset.name = column.name;
      head.append(page.button(column.label, () => {
        sorted = { name: column.name, up: sorted.name === column.name ? !sorted.up : true };
        arrange();
        page.say(`sorted by ${column.label}, ${sorted.up ? "rising" : "falling"}`);
      }));
      table.tHead.rows[0].append(head);
    }
    for (const law of laws()) {
      const row = page.element("tr", law.state + (law.front ? " front" : ""));
      row.dataset.trial = law.trial;
      row.append(...shown.map((column) => cellOf(column, law)));
      rows.set(law.trial, row);
    }
    buildStates();
    arrange();
  }

  function buildStates() {
    const place = page.byId("states"), counts = new Map();
    for (const law of laws()) counts.set(stateOf(law), (counts.get(stateOf(law)) ?? 0) + 1);
    for (const state of states) if (!counts.has(state)) states.delete(state);
    const order = ["front", "complete", "infeasible", "stopped", "failed", "running"];
    place.replaceChildren(...[...counts.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b)).map((state) => {
      const made = page.button(`${state === "complete" ? "behind the front" : state} ${counts.get(state)}`, () => {
        states.has(state) ? states.delete(state) : states.add(state);
        made.setAttribute("aria-pressed", String(states.has(state)));
        arrange();
      });
      made.dataset.state = state;
      made.setAttribute("aria-pressed", String(states.has(state)));
      return made;
    }));
  }

  function arrange() {
    const table = page.byId("trials"), column = columns().find((one) => one.name === sorted.name);
    for (const head of table.tHead.rows[0].cells) {
      if (head.dataset.name === sorted.name) head.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    const order = laws().filter(passes).sort((a, b) => page.compareValues(column.of(a), column.of(b), sorted.up) || a.trial - b.trial);
    shownNumbers = order.map((law) => law.trial);
    const active = document.activeElement?.closest?.("#trials tbody tr")?.dataset.trial;
    table.tBodies[0].replaceChildren(...shownNumbers.map((number) => rows.get(number)));
    const stop = rows.get(Number(active)) ?? rows.get(shownNumbers[0]);
    rows.forEach((row) => (row.tabIndex = row === stop ? 0 : -1)); // one stop for Tab; arrows move within
    if (active !== undefined && stop?.isConnected) stop.focus();
    page.byId("shown").textContent = shownNumbers.length === rows.size ? `${rows.size} laws` : `${shownNumbers.length} of ${rows.size} laws`;
    mark();
  }

  function mark() {
    const { selection } = page;
    rows.forEach((row, number) => {
      const chosen = selection.has(number), pinned = selection.pinned(number);
      if (row.dataset.marked === `${chosen}${pinned}`) return;
      row.dataset.marked = `${chosen}${pinned}`;
      row.classList.toggle("chosen", chosen);
      row.setAttribute("aria-selected", String(chosen));
      row.querySelector("input").checked = chosen;
      const pin = row.querySelector(".pinning");
      pin.textContent = pinned ? "unpin" : "pin";
      pin.setAttribute("aria-label", `${pinned ? "Unpin" : "Pin"} ${page.title(page.data.trials[number])}`);
      pin.setAttribute("aria-pressed", String(pinned));
    });
    page.byId("only").disabled = !selection.size && !onlyChosen;
  }

  let anchor = null;
  function keys(event) {
    const row = event.target.closest("tr[data-trial]");
    if (!row || event.target !== row || event.ctrlKey || event.metaKey || event.altKey) return;
    const number = Number(row.dataset.trial), at = shownNumbers.indexOf(number);
    const go = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shownNumbers.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (go !== undefined) {
      const next = rows.get(shownNumbers[Math.min(shownNumbers.length - 1, Math.max(0, go))]);
      row.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      if (event.shiftKey) page.selection.set([...page.selection.numbers, number, Number(next.dataset.trial)], "table");
    } else if (event.key === " ") page.selection.toggle(number);
    else if (event.key === "Enter") page.selection.open(number);
    else if (event.key === "p") page.selection.togglePin(number);
    else return;
    event.preventDefault();
  }

  // One row of plain values a law, with the names of the table of trials.
  page.plainRows = (numbers) => numbers.map((number) => {
    const { code, obstacles, parameters, curve, map, people, ...law } = page.data.trials[number];
    return { ...law, ...parameters };
  });

  page.starts = [...(page.starts ?? []), () => {
    build();
    const filter = page.byId("filter");
    filter.addEventListener("input", () => { words = filter.value.trim(); arrange(); page.say(`${shownNumbers.length} laws`); });
    filter.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && filter.value) { filter.value = words = ""; arrange(); event.preventDefault(); }
    });
    const body = page.byId("trials").tBodies[0];
    body.addEventListener("keydown", keys);
    body.addEventListener("click", (event) => {
      if (event.target.closest("button, input, a") || getSelection().toString()) return;
      const number = Number(event.target.closest("tr")?.dataset.trial);
      if (Number.isNaN(number)) return;
      if (event.shiftKey && anchor !== null) {
        const [from, to] = [anchor, number].map((one) => shownNumbers.indexOf(one)).sort((a, b) => a - b);
        page.selection.set([...page.selection.numbers, ...shownNumbers.slice(from, to + 1)], "table");
      } else page.selection.toggle(number);
      anchor = number;
    });
    body.addEventListener("dblclick", (event) => {
      const number = Number(event.target.closest("tr")?.dataset.trial);
      if (!Number.isNaN(number) && !event.target.closest("button, input")) page.selection.open(number);
    });
    page.byId("choose").addEventListener("click", () => page.selection.set(shownNumbers, "table"));
    page.byId("only").addEventListener("click", (event) => {
      onlyChosen = !onlyChosen;
      event.currentTarget.setAttribute("aria-pressed", String(onlyChosen));
      arrange();
    });
    page.byId("save-csv").addEventListener("click", () => page.save(page.fileName("laws.csv"), page.csv(page.plainRows(shownNumbers)), "text/csv"));
    page.byId("save-json").addEventListener("click", () =>
      page.save(page.fileName("laws.json"), JSON.stringify({ study: page.data.name, about: page.data.exports?.caption, citation: page.data.exports?.citation, laws: page.plainRows(shownNumbers) }, null, 1), "application/json"));
    page.selection.listen(() => {
      if (onlyChosen && !page.selection.size) { onlyChosen = false; page.byId("only").setAttribute("aria-pressed", "false"); }
      onlyChosen || page.selection.size === 0 ? arrange() : mark();
    }, page.byId("trials"));
    page.updates = [...(page.updates ?? []), build];
  }];
}
