"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1) + "%");
  const title = (trial) => trial.reference || "law " + trial.trial;

  // ------------------------------------------------------------------------------------------------- figures
  const config = { displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  function themed(figure) {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text").trim(), soft = style.getPropertyValue("--soft").trim();
    const card = style.getPropertyValue("--card").trim(), line = style.getPropertyValue("--line").trim();
    const layout = structuredClone(figure.layout);
    layout.font = Object.assign({}, layout.font, { color: text });
    layout.hoverlabel = Object.assign({}, layout.hoverlabel,
      { bgcolor: card, bordercolor: line, font: { color: text, size: 13 } });
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) Object.assign(layout[key], { linecolor: soft, tickcolor: line, color: text });
    }
    return layout;
  }

  const narrow = () => window.innerWidth < 760;
  function draw(place) {
    const figure = data.figures[place.dataset.figure];
    const layout = themed(figure);
    if (narrow() && place.dataset.figure === "training") {
      layout.legend = { orientation: "h", y: -0.25 };
      layout.height = 560;
    }
    Plotly.react(place, figure.data, layout, config);
  }
  const plots = [...document.querySelectorAll(".plot")].filter((place) => data.figures[place.dataset.figure]);
  plots.forEach((place) => {
    draw(place);
    if (place.dataset.figure !== "front" && place.dataset.figure !== "parameters") return;
    place.on("plotly_click", (event) => {
      const known = event.points.find((point) => Array.isArray(point.customdata));
      if (known) pin(Number(known.customdata[0]));
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));

  // ----------------------------------------------------------------------------------------- recommendation
  const slider = byId("loss");
  function advise() {
    const index = Number(slider.value);
    byId("loss-value").textContent = index + " point" + (index === 1 ? "" : "s");
    const found = data.recommendations[index], box = byId("advice");
    box.replaceChildren();
    if (!found) {
      box.append(element("p", "verdict doubt", "There is no law to recommend: every complete law loses more than this, or the trial without defence is not complete."));
      byId("snippet").textContent = "";
      byId("snippet-note").textContent = "";
      return;
    }
    const trial = data.trials[found.trial], list = element("dl", "big");
    const row = (term, strong, rest) => {
      const value = element("dd");
      value.append(element("b", "", strong), document.createTextNode(" " + rest));
      list.append(element("dt", "", term), value);
    };
    row("law", found.name, trial.law);
    row("natural accuracy", found.natural, found.naturalChange ? "without defence " + found.naturalBase : "");
    row("attack accuracy", found.attack, found.naturalChange ? "without defence " + found.attackBase : "");
    box.append(list, element("p", "verdict" + (found.helps ? "" : " doubt"), found.verdict + " " + found.ties));
    if (found.expected) box.append(element("p", "", found.expected));
    const see = element("button", "", "Pin this law");
    see.type = "button";
    see.addEventListener("click", () => pin(found.trial));
    box.append(see);
    byId("snippet").textContent = trial.snippet;
    byId("snippet-note").textContent = trial.obstacles.length
      ? "torchvision's RandomErasing cannot express this law (" + trial.obstacles.join("; ") + "):"
      : "A step for your torchvision transforms:";
  }
  if (slider) {
    slider.value = data.defaultLoss;
    slider.addEventListener("input", advise);
    byId("copy").addEventListener("click", async () => {
      const button = byId("copy"), text = byId("snippet").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(byId("snippet"));
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    advise();
  }

  // --------------------------------------------------------------------------------------------------- pins
  const MOST = 6;
  const fromAddress = () =>
    (/trial=([\d,]+)/.exec(location.hash)?.[1].split(",") ?? []).map(Number).filter((n) => data.trials[n]);
  let pins = fromAddress();
  if (!pins.length) pins = data.pins;

  function pin(number) {
    if (!data.trials[number]) return;
    pins = [...pins.filter((n) => n !== number), number].slice(-MOST);
    show();
    byId("pins").scrollIntoView({ behavior: "smooth", block: "nearest" });
  }
  function unpin(number) {
    pins = pins.filter((n) => n !== number);
    show();
  }
  function show() {
    if (!byId("cards")) return;
    history.replaceState(null, "", "#trial=" + pins.join(","));
    byId("cards").replaceChildren(...pins.map(card));
    showFaces();
  }
  function card(number) {
    const trial = data.trials[number], box = element("article", "pin"), close = element("button", "close", "×");
    close.type = "button";
    close.setAttribute("aria-label", "Unpin " + title(trial));
    close.addEventListener("click", () => unpin(number));
    box.append(close, element("h3", "", title(trial) + (trial.front ? " · on the front" : "")), element("p", "", trial.law));
    const line = (name, value) => {
      const text = element("p");
      text.append(name + " ", element("b", "", value));
      box.append(text);
    };
    if (trial.natural_accuracy_text) line("natural", trial.natural_accuracy_text);
    if (trial.attack_accuracy_text) line("attack", trial.attack_accuracy_text);
    if (trial.gain_text) line("against the lowest control", trial.gain_text);
    if (trial.realised_area !== null) line("erased in training", percent(trial.realised_area) + " of the pixels");
    if (trial.reason) box.append(element("p", "", trial.reason));
    const copy = element("button", "", "Copy its code");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(trial.snippet); copy.textContent = "Copied"; }
      catch { box.append(element("pre", "", trial.snippet)); copy.remove(); }
    });
    box.append(copy);
    return box;
  }
  function strip(name, stored, marks) {
    const row = element("div", "strip");
    row.append(element("div", "name", name));
    for (let k = 0; k < data.faces.classes; k++) {
      const face = element("div", "face" + (marks && marks[k] ? " hit" : ""));
      face.style.backgroundImage = "url(" + stored.uri + ")";
      face.style.backgroundSize = data.faces.classes * 56 + "px 56px";
      face.style.backgroundPosition = -k * 56 + "px 0";
      row.append(face);
    }
    return row;
  }
  function showFaces() {
    if (!data.faces) return;
    const strips = pins.filter((n) => data.faces.trials[n]).map((n) => {
      const stored = data.faces.trials[n], trial = data.trials[n];
      return strip(title(trial) + " (" + percent(trial.attack_accuracy) + ")", stored, stored.identified);
    });
    byId("faces").replaceChildren(strip("real", data.faces.real), ...strips);
  }
  window.addEventListener("hashchange", () => {
    // a link in the table adds its trial to the pinned ones
    const asked = fromAddress();
    if (asked.length === 1) pin(asked[0]);
    else if (asked.length) { pins = asked; show(); }
  });
  show();

  // -------------------------------------------------------------------------------------------------- table
  document.querySelectorAll("#trials th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      document.querySelectorAll("#trials th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.dataset.kind === "number";
      const value = (row) => {
        const cell = row.children[column];
        return numeric ? (cell.dataset.value === "" ? NaN : Number(cell.dataset.value)) : cell.textContent.trim();
      };
      const body = document.querySelector("#trials tbody");
      const order = (a, b) => {
        const x = value(a), y = value(b);
        if (!numeric) return up ? x.localeCompare(y) : y.localeCompare(x);
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return up ? x - y : y - x;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
})();
