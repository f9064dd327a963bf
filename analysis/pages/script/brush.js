// Dragging a rectangle over a figure, and clicks on it. A finger scrolls the page instead; a tap is a click.
{
  // act: {from(x, y) → whether a drag may begin there, box(x0, y0, x1, y1) → the rectangle to show, drag(x0, y0, x1, y1),
  // done(), tap(x, y, event), move(x, y)}; places in pixels from the upper left corner of `place`.
  page.brush = (place, act) => {
    place.style.position = "relative";
    const frame = page.element("div", "brush");
    frame.hidden = true;
    place.append(frame);
    let begun = null, dragged = false;
    const at = (event) => {
      const box = place.getBoundingClientRect();
      return [event.clientX - box.left + place.scrollLeft, event.clientY - box.top];
    };
    place.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest("button, input, .modebar, .saving, form, .legend")) return;
      begun = act.from(...at(event)) ? at(event) : null;
      dragged = false;
      if (begun && event.pointerType !== "touch") getSelection().removeAllRanges();
    });
    place.addEventListener("pointermove", (event) => { if (!begun) act.move?.(...at(event), event); });
    // on the window, because a drag may leave the figure, and the chart library covers the page during it
    addEventListener("pointermove", (event) => {
      if (!begun || event.pointerType === "touch") return;
      const now = at(event);
      if (!dragged && Math.hypot(now[0] - begun[0], now[1] - begun[1]) < 5) return;
      dragged = true;
      const [x, y, width, height] = act.box(...begun, ...now);
      Object.assign(frame.style, { left: x + "px", top: y + "px", width: width + "px", height: height + "px" });
      frame.hidden = false;
      act.drag(...begun, ...now);
    });
    const end = (event) => {
      if (!begun) return;
      const where = begun;
      begun = null;
      frame.hidden = true;
      if (dragged) act.done?.();
      else if (event.type === "pointerup") act.tap?.(...where, event);
    };
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
    place.addEventListener("pointerleave", () => act.leave?.());
  };

  // A small text beside the pointer.
  page.tip = (() => {
    let box = null;
    return (event, lines) => {
      if (!box) document.body.append((box = page.element("div", "tip")));
      box.hidden = !lines;
      if (!lines) return;
      box.replaceChildren(...lines.map((line, k) => page.element("div", k ? "" : "first", line)));
      const left = Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8);
      Object.assign(box.style, { left: Math.max(4, left) + "px", top: event.clientY + 14 + "px" });
    };
  })();

  page.lawLines = (law) => [
    page.title(law) + (law.front ? " · on the front" : law.state === "complete" ? "" : " · " + law.state),
    law.law,
    "natural " + page.interval(law, "natural_accuracy"),
    ...(law.attack_accuracy === null ? [] : ["attack " + page.interval(law, "attack_accuracy")]),
  ];
}
