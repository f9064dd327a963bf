// The columns that a law can be seen along: its parameters and its accuracies. Texts are categories, numbers have a range.
{
  const shares = new Set(["realised_area", "probability", "area_low", "area_high"]);

  // {name, label, kind, of(law), text(value), low, high, categories, missing}
  page.columns = () => {
    const laws = Object.values(page.data.trials).filter((law) => law.natural_accuracy !== null);
    const about = page.data.parameters.map((one) => ({ ...one, of: (law) => law.parameters[one.name] }));
    const accuracy = (name, label) => ({ name, label, kind: "number", accuracy: true, of: (law) => law[name] });
    about.push(accuracy("natural_accuracy", "natural accuracy"), accuracy("attack_accuracy", "attack accuracy"));
    if (laws.some((law) => law.recognised !== null)) about.push(accuracy("recognised", "recognised"));
    return about.map((column) => {
      const values = laws.map(column.of), there = values.filter((value) => value !== null && value !== undefined);
      column.missing = there.length < values.length;
      if (column.kind === "category") {
        column.categories = [...new Set(there)].sort((a, b) => String(a).localeCompare(String(b), undefined, { numeric: true }));
        column.text = (value) => String(value);
        return column;
      }
      let low = Math.min(...there), high = Math.max(...there);
      if (!there.length) [low, high] = [0, 1];
      if (low === high) [low, high] = [low - 0.5, high + 0.5];
      column.low = low;
      column.high = high;
      const percent = column.accuracy || shares.has(column.name);
      column.text = (value) => (percent ? (100 * value).toFixed(high - low < 0.2 ? 1 : 0) + "%" : String(Number(value.toPrecision(3))));
      return column;
    });
  };

  // Where a value lies on its column, in [0, 1]; null where it is missing.
  page.share = (column, value) => {
    if (value === null || value === undefined) return null;
    if (column.kind === "category") {
      const at = column.categories.indexOf(value);
      return at < 0 ? null : (at + 0.5) / column.categories.length;
    }
    return (value - column.low) / (column.high - column.low);
  };

  // Round numbers within a range.
  page.ticks = (low, high, most = 5) => {
    const raw = (high - low) / most, size = 10 ** Math.floor(Math.log10(raw));
    const step = size * ([1, 2, 2.5, 5, 10].find((one) => one * size >= raw) ?? 10);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) found.push(Number(at.toPrecision(12)));
    return found;
  };

  page.colourOf = (law, colours) =>
    law.state === "infeasible" ? colours.infeasible : law.front ? colours.front : law.reference ? colours.reference : colours.other;

  page.shortened = (text, most) => (String(text).length > most ? String(text).slice(0, most - 1) + "…" : String(text));
}
