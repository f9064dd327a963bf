// Links the figure of the front, which the chart library draws, with the selection.
{
  const place = () => document.querySelector('.plot[data-figure="front"]');

  // Points outside the selection fade. The library binds to each point its number within its trace.
  function mark() {
    const plot = place();
    if (!plot) return;
    const { selection } = page, any = selection.size > 0;
    plot.querySelectorAll(".scatterlayer .trace").forEach((trace) => {
      const custom = trace.__data__?.[0]?.trace?.customdata;
      if (!custom) return;
      trace.querySelectorAll("path.point, .errorbar").forEach((one) => {
        const number = Number(custom[one.__data__?.i]?.[0]);
        one.classList.toggle("faded", any && !selection.has(number));
        one.classList.toggle("chosen", any && selection.has(number) && one.matches("path.point"));
      });
    });
  }

  page.starts = [...(page.starts ?? []), () => {
    const plot = place();
    if (!plot || !page.data.figures.front) return;
    plot.on("plotly_afterplot", mark);
    const axes = () => plot._fullLayout;
    const inside = (x, y) => {
      const { l, t, w, h } = axes()._size;
      return x >= l && x <= l + w && y >= t - 8 && y <= t + h + 8;
    };
    const clipped = (x0, y0, x1, y1) => {
      const { l, t, w, h } = axes()._size;
      const [left, right] = [x0, x1].map((x) => Math.min(Math.max(x, l), l + w)).sort((a, b) => a - b);
      const [top, bottom] = [y0, y1].map((y) => Math.min(Math.max(y, t), t + h)).sort((a, b) => a - b);
      return [left, top, right - left, bottom - top];
    };
    page.brush(plot, {
      from: inside,
      box: clipped,
      drag(...ends) {
        const { xaxis, yaxis, _size } = axes(), [x, y, width, height] = clipped(...ends);
        const [low, high] = [x, x + width].map((at) => xaxis.p2d(at - _size.l));
        const [top, bottom] = [y, y + height].map((at) => yaxis.p2d(at - _size.t));
        const within = (law) =>
          law.natural_accuracy >= low && law.natural_accuracy <= high &&
          law.attack_accuracy !== null && law.attack_accuracy <= top && law.attack_accuracy >= bottom;
        page.selection.set(Object.values(page.data.trials).filter(within).map((law) => law.trial), "front");
      },
    });
    plot.on("plotly_click", (event) => {
      const known = event.points.find((point) => Array.isArray(point.customdata));
      if (known) page.selection.togglePin(Number(known.customdata[0]));
    });
    page.selection.listen(mark, plot);
    mark();
  }];
}
