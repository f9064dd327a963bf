// Figures that the page draws itself: a list of shapes, painted on a canvas, or written as SVG to be saved.
{
  const FONT = "system-ui, sans-serif";
  const MANY = 4000;

  // Shapes: {line: [[x, y], ...]}, {dot: [x, y, radius]}, {box: [x, y, width, height]}, {text: "...", at: [x, y]}, each
  // with colour and, if need be, width, opacity, dash, fill, edge, size, align (left, center, right), bold, turn (degrees).
  page.paint = (canvas, width, height, shapes) => {
    const sharp = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    const pen = canvas.getContext("2d"), many = shapes.length > MANY;
    pen.scale(sharp, sharp);
    for (const shape of shapes) {
      pen.globalAlpha = shape.opacity ?? 1;
      if (shape.line) {
        pen.strokeStyle = shape.colour;
        pen.lineWidth = shape.width ?? 1;
        pen.setLineDash(shape.dash ?? []);
        pen.beginPath();
        shape.line.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
        pen.stroke();
      } else if (shape.dot && many) {
        const [x, y, radius] = shape.dot; // thousands of circles are slow, and look the same as squares
        pen.fillStyle = shape.colour;
        pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
      } else if (shape.dot) {
        pen.beginPath();
        pen.arc(...shape.dot, 0, 2 * Math.PI);
        pen.fillStyle = shape.colour;
        pen.fill();
        if (shape.edge) {
          pen.setLineDash([]);
          pen.lineWidth = 1;
          pen.strokeStyle = shape.edge;
          pen.stroke();
        }
      } else if (shape.box) {
        if (shape.fill) {
          pen.fillStyle = shape.fill;
          pen.fillRect(...shape.box);
        }
        if (shape.colour) {
          pen.setLineDash([]);
          pen.lineWidth = shape.width ?? 1;
          pen.strokeStyle = shape.colour;
          pen.strokeRect(...shape.box);
        }
      } else if (shape.text !== undefined) {
        pen.save();
        pen.font = `${shape.bold ? "600 " : ""}${shape.size ?? 12}px ${FONT}`;
        pen.fillStyle = shape.colour;
        pen.textAlign = shape.align ?? "left";
        pen.translate(...shape.at);
        if (shape.turn) pen.rotate((shape.turn * Math.PI) / 180);
        pen.fillText(shape.text, 0, 0);
        pen.restore();
      }
    }
    pen.globalAlpha = 1;
  };

  const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const short = (value) => Math.round(100 * value) / 100;
  const ANCHOR = { left: "start", center: "middle", right: "end" };

  page.svg = (width, height, shapes, background) => {
    const parts = shapes.map((shape) => {
      const shared = shape.opacity === undefined ? "" : ` opacity="${shape.opacity}"`;
      if (shape.line) {
        const points = shape.line.map((point) => point.map(short).join(",")).join(" ");
        const dash = shape.dash ? ` stroke-dasharray="${shape.dash.join(" ")}"` : "";
        return `<polyline points="${points}" fill="none" stroke="${escaped(shape.colour)}" stroke-width="${shape.width ?? 1}"${dash}${shared}/>`;
      }
      if (shape.dot) {
        const [x, y, radius] = shape.dot.map(short);
        const edge = shape.edge ? ` stroke="${escaped(shape.edge)}"` : "";
        return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${escaped(shape.colour)}"${edge}${shared}/>`;
      }
      if (shape.box) {
        const [x, y, w, h] = shape.box.map(short);
        const edge = shape.colour ? ` stroke="${escaped(shape.colour)}" stroke-width="${shape.width ?? 1}"` : "";
        return `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${escaped(shape.fill ?? "none")}"${edge}${shared}/>`;
      }
      const [x, y] = shape.at.map(short);
      const turn = shape.turn ? ` transform="rotate(${shape.turn} ${x} ${y})"` : "";
      const bold = shape.bold ? ' font-weight="600"' : "";
      return `<text x="${x}" y="${y}" font-family="${FONT}" font-size="${shape.size ?? 12}"${bold} fill="${escaped(shape.colour)}" text-anchor="${ANCHOR[shape.align ?? "left"]}"${turn}${shared}>${escaped(shape.text)}</text>`;
    });
    const ground = `<rect width="100%" height="100%" fill="${escaped(background)}"/>`;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(height)}" viewBox="0 0 ${short(width)} ${short(height)}">${ground}${parts.join("")}</svg>`;
  };

  // A figure in `place`: `compose(width, colours)` gives {height, shapes}. It is drawn again on every change of width.
  page.figure = (place, compose) => {
    const canvas = page.element("canvas");
    canvas.setAttribute("aria-hidden", "true"); // the place has the text
    place.append(canvas);
    let light = false;
    const draw = () => {
      const width = Math.max(280, place.clientWidth);
      const { height, shapes } = compose(width, page.colours(light));
      page.paint(canvas, width, height, shapes);
    };
    const again = (asLight) => {
      light = Boolean(asLight);
      draw();
    };
    again.place = place; // a law that was opened and closed is not drawn again
    page.redraws.push(again);
    let known = 0;
    new ResizeObserver(() => {
      if (place.clientWidth && place.clientWidth !== known) {
        known = place.clientWidth;
        draw();
      }
    }).observe(place);
    place.toSvg = (width = 1080) => {
      const colours = page.colours(true);
      const { height, shapes } = compose(width, colours);
      return { text: page.svg(width, height, shapes, colours.card), width, height };
    };
    draw();
    return draw;
  };
}
