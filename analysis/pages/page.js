"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const config = { displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  function draw(place) {
    const figure = data.figures[place.dataset.figure];
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const layout = structuredClone(figure.layout);
    layout.font = Object.assign({}, layout.font, { color: colour("--text") });
    layout.hoverlabel = Object.assign({}, layout.hoverlabel,
      { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--text"), size: 13 } });
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) Object.assign(layout[key], { linecolor: colour("--soft"), tickcolor: colour("--line"), color: colour("--text") });
    }
    Plotly.react(place, figure.data, layout, config);
  }
  const plots = [...document.querySelectorAll(".plot")].filter((place) => data.figures[place.dataset.figure]);
  plots.forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));

  // ------------------------------------------------------------------------------------------ sortable tables
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.querySelectorAll("th")];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => {
          const cell = row.children[column];
          if (head.dataset.kind !== "number") return cell.textContent.trim();
          return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
        };
        const order = (a, b) => {
          const x = value(a), y = value(b);
          if (typeof x === "string") return up ? x.localeCompare(y) : y.localeCompare(x);
          if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
          return up ? x - y : y - x;
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(order));
      });
    });
  });

  // ----------------------------------------------------------------------------------- switch between tables
  document.querySelectorAll("[data-shows]").forEach((button) => {
    button.addEventListener("click", () => {
      const group = button.closest("[data-group]");
      group.querySelectorAll("[data-shows]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      group.querySelectorAll("[data-shown]").forEach((table) => { table.hidden = table.dataset.shown !== button.dataset.shows; });
    });
  });
})();
