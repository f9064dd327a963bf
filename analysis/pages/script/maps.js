// Erase maps: the share of training views in which each pixel was erased.
{
  // Colours from dark to light that survive colour blindness (viridis, seven of its colours).
  const SCALE = ["#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#fde725"].map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
  page.mapColour = (share) => {
    const at = Math.min(SCALE.length - 1.0001, Math.max(0, share) * (SCALE.length - 1)), k = Math.floor(at);
    return `rgb(${SCALE[k].map((value, j) => Math.round(value + (at - k) * (SCALE[k + 1][j] - value))).join(",")})`;
  };

  page.mapShapes = (map, left, top, side) => {
    const bytes = atob(map.pixels), size = side / Math.max(map.height, map.width), shapes = [];
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        const fill = page.mapColour(bytes.charCodeAt(y * map.width + x) / 255);
        shapes.push({ box: [left + x * size, top + y * size, size + 0.6, size + 0.6], fill });
      }
    }
    return shapes;
  };

  page.mapKey = (left, top, wide, colours) => {
    const shapes = [];
    for (let k = 0; k < 50; k++) shapes.push({ box: [left + (k * wide) / 50, top, wide / 50 + 0.6, 10], fill: page.mapColour(k / 49) });
    for (const [share, align] of [[0, "left"], [0.5, "center"], [1, "right"]]) {
      shapes.push({ text: `${100 * share}%`, at: [left + share * wide, top + 24], size: 11, align, colour: colours.text });
    }
    return shapes;
  };

  const MOST = 12, SIDE = 150, GAP = 18;
  const shown = () => {
    const laws = Object.values(page.data.trials).filter((law) => law.map);
    const first = page.selection.size ? laws.filter((law) => page.selection.has(law.trial)) : laws.filter((law) => law.reference || law.front);
    return first.sort((a, b) => Boolean(b.reference) - Boolean(a.reference) || b.natural_accuracy - a.natural_accuracy).slice(0, MOST);
  };

  function compose(width, colours) {
    const laws = shown(), columns = Math.max(1, Math.floor((width + GAP) / (SIDE + GAP)));
    const shapes = [], step = SIDE + 40;
    laws.forEach((law, k) => {
      const left = (k % columns) * (SIDE + GAP), top = 20 + Math.floor(k / columns) * step;
      shapes.push({ text: page.shortened(`${page.title(law)} (${(100 * law.map.mean).toFixed(0)}%)`, 24), at: [left, top - 6], size: 12, colour: colours.text });
      shapes.push(...page.mapShapes(law.map, left, top, SIDE));
    });
    const foot = 20 + Math.ceil(laws.length / columns) * step;
    if (laws.length) shapes.push(...page.mapKey(0, foot - 14, Math.min(240, width), colours));
    else shapes.push({ text: "None of these laws erases anything.", at: [0, 30], size: 13, colour: colours.soft });
    return { height: foot + 18, shapes };
  }

  page.starts = [...(page.starts ?? []), () => {
    const place = page.byId("maps");
    if (!place) return;
    const redraw = page.figure(place, compose);
    let before = "";
    page.selection.listen(() => {
      const now = shown().map((law) => law.trial).join();
      if (now !== before) { before = now; redraw(); }
    }, place);
    page.updates = [...(page.updates ?? []), redraw];
  }];
}
