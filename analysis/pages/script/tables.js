// Tables that the template wrote: sorted by a click on a head, and one of several shown at a time.
{
  page.compareValues = (x, y, up) => {
    const missing = (value) => value === null || value === undefined || Number.isNaN(value) || value === "";
    if (missing(x) || missing(y)) return missing(x) - missing(y); // always at the end
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    return up ? order : -order;
  };

  page.makeSortable = (table) => {
    const heads = [...table.tHead.querySelectorAll("th")];
    heads.forEach((head, column) => {
      head.querySelector("button")?.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => {
          const cell = row.children[column];
          if (head.dataset.kind !== "number") return cell.textContent.trim();
          return cell.dataset.value === "" ? null : Number(cell.dataset.value);
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort((a, b) => page.compareValues(value(a), value(b), up)));
      });
    });
  };

  page.startTables = () => {
    document.querySelectorAll("table.sortable").forEach(page.makeSortable);
    document.querySelectorAll("[data-shows]").forEach((button) => {
      button.addEventListener("click", () => {
        const group = button.closest("[data-group]");
        group.querySelectorAll("[data-shows]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        group.querySelectorAll("[data-shown]").forEach((table) => { table.hidden = table.dataset.shown !== button.dataset.shows; });
      });
    });
  };
}
