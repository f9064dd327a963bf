// Figures drawn by the chart library, in the colours of the page.
{
  const config = {
    displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, responsive: true, scrollZoom: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
  };

  page.themed = (figure, light) => {
    const { text, soft, card, line } = page.colours(light);
    const layout = structuredClone(figure.layout);
    layout.font = { ...layout.font, color: text };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: line, font: { color: text, size: 13 } };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis/.test(key)) Object.assign(layout[key], { linecolor: soft, tickcolor: line, color: text });
    }
    for (const note of layout.annotations ?? []) if (note.font?.color) note.font.color = readable(note.font.color, light);
    return layout;
  };

  // The colours of points are too pale for small text on one ground or the other.
  const readable = (colour, light) => {
    const { soft, front, reference, infeasible, control } = page.colours(light);
    const own = { "#8a8f98": soft, "#8d99ae": soft, "#e4572e": reference, "#b08968": infeasible, "#7b5ea7": control, "#0b7072": front };
    return own[colour] ?? colour;
  };
  // Points and lines of the front, and of dominated laws, that would be hard to see on a dark ground.
  const seen = (colour, light) => {
    const { front, other } = page.colours(light);
    return { "#0b7072": front, "#8d99ae": other }[colour] ?? colour;
  };

  page.traces = (figure, light) => figure.data.map((trace) => {
    const own = { ...trace };
    for (const part of ["marker", "line"]) if (typeof own[part]?.color === "string") own[part] = { ...own[part], color: seen(own[part].color, light) };
    if (own.textfont?.color) own.textfont = { ...own.textfont, color: readable(own.textfont.color, light) };
    return own;
  });

  const narrow = (place) => place.clientWidth < 640;

  function fitted(place, layout, names) {
    if (!narrow(place)) return layout;
    // long names at the side leave no room for the figure, and names of axes run out of it
    if (layout.legend?.orientation !== "h" && layout.showlegend !== false && names > 1) {
      layout.legend = { ...layout.legend, orientation: "h", y: -0.25, x: 0 };
      layout.height = (layout.height ?? 400) + 180;
    }
    for (const key of Object.keys(layout)) {
      const axis = layout[key];
      if (!/^yaxis/.test(key) || !axis.title?.text) continue;
      const text = axis.title.text.replace(/ \(.*/, "");
      axis.title = { ...axis.title, text };
    }
    // numbers need less room than names
    if (layout.yaxis?.tickformat) layout.margin = { ...layout.margin, l: Math.min(layout.margin?.l ?? 60, 60), r: 8 };
    layout.dragmode = false; // a finger scrolls the page
    return layout;
  }

  page.draw = (place, light) => {
    const figure = page.data.figures[place.dataset.figure];
    const layout = fitted(place, page.themed(figure, light), figure.data.filter((trace) => trace.name && trace.showlegend !== false).length);
    if (place.dataset.linked !== undefined) layout.dragmode = false; // dragging selects laws, in front.js
    if (light) layout.width = place.clientWidth;
    Plotly.react(place, page.traces(figure, light), layout, { ...config, displayModeBar: narrow(place) ? false : "hover" });
  };

  page.plots = () => [...document.querySelectorAll(".plot")].filter((place) => page.data.figures[place.dataset.figure]);

  page.drawAll = (light) => page.plots().forEach((place) => page.draw(place, light));
  page.redraws.push(page.drawAll);
}
