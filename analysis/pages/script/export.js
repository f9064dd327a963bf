// Saving: every figure as SVG and PNG, tables as CSV and JSON.
{
  page.save = (name, content, kind) => {
    const link = page.element("a");
    link.download = name;
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind }));
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  page.fileName = (part) => `${page.data.name || "mi_tune"}-${part}`.replace(/[^\w.-]+/g, "-");

  // The figure of a place as SVG text, in light colours on a white ground.
  page.svgOf = async (place) => {
    if (place.toSvg) return place.toSvg();
    const figure = page.data.figures[place.dataset.figure];
    const layout = page.themed(figure, true);
    const width = 1080, height = layout.height || 500;
    Object.assign(layout, { width, height, paper_bgcolor: page.colours(true).card });
    const address = await Plotly.toImage({ data: page.traces(figure, true), layout }, { format: "svg", width, height });
    return { text: decodeURIComponent(address.slice(address.indexOf(",") + 1)), width, height };
  };

  const pngOf = ({ text, width, height }, scale = 3) =>
    new Promise((resolve, reject) => {
      const picture = new Image();
      picture.onload = () => {
        const canvas = page.element("canvas");
        canvas.width = width * scale;
        canvas.height = height * scale;
        canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
      };
      picture.onerror = () => reject(new Error("the figure cannot be drawn"));
      picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    });

  // Two buttons below a figure.
  page.offerFigure = (place) => {
    if (place.dataset.offered) return;
    place.dataset.offered = "yes";
    const name = place.dataset.figure, about = place.getAttribute("aria-label")?.split(/[.:]/)[0] || name;
    const row = page.element("p", "saving");
    for (const kind of ["SVG", "PNG"]) {
      const button = page.button(kind, async () => {
        const drawn = await page.svgOf(place);
        if (kind === "SVG") page.save(page.fileName(name + ".svg"), drawn.text, "image/svg+xml");
        else page.save(page.fileName(name + ".png"), await pngOf(drawn));
      });
      button.setAttribute("aria-label", `Save as ${kind}: ${about}`);
      row.append(button);
    }
    place.after(row);
  };

  const formula = /^[=+\-@\t\r]/;
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    // a spreadsheet takes such text for a formula
    const text = formula.test(value) ? "'" + value : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  page.csv = (rows) => {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    return [names.map(cell).join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n") + "\n";
  };
}
