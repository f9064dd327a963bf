// The last script: draws everything once all others have been read.
{
  const start = () => {
    page.drawAll();
    page.startTables();
    (page.starts ?? []).forEach((begin) => begin());
    document.querySelectorAll(".plot, .own").forEach((place) => {
      if (place.toSvg || page.data.figures[place.dataset.figure]) page.offerFigure(place);
    });
    document.documentElement.dataset.ready = "yes";
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.redraw());
  let printed = false;
  const print = (now) => {
    if (now === printed) return;
    printed = now;
    document.querySelectorAll("details").forEach((box) => {
      if (now && !box.open) { box.dataset.shut = "yes"; if (!box.classList.contains("settings")) box.open = true; }
      else if (!now && box.dataset.shut) { box.open = false; delete box.dataset.shut; }
    });
    page.redraw(now);
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  // after the first paint: the words come first
  requestAnimationFrame(() => setTimeout(start));
}
