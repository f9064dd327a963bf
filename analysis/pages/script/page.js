// What all scripts of a page share: its data, and small ways to make elements. Each script adds to `page`.
const page = { data: JSON.parse(document.getElementById("data").textContent) };

page.byId = (id) => document.getElementById(id);

page.element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

page.button = (text, act, className) => {
  const made = page.element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
};

page.percent = (value, digits = 1) => (value === null || value === undefined ? "–" : (100 * value).toFixed(digits) + "%");

// "58.3% [47, 69]"
page.interval = (law, name) => {
  if (law[name] === null || law[name] === undefined) return "–";
  const ends = [law[name + "_low"], law[name + "_high"]];
  const known = ends.every((end) => end !== null && end !== undefined);
  return page.percent(law[name]) + (known ? ` [${ends.map((end) => (100 * end).toFixed(0)).join(", ")}]` : "");
};

page.title = (law) => law.reference || "law " + law.trial;

// Says something to screen readers without moving the focus.
page.say = (text) => {
  const place = page.byId("said");
  if (place) place.textContent = text;
};

// Text to the clipboard; where the browser refuses, it is selected in a box below the button.
page.copy = async (button, text) => {
  const before = button.dataset.name || button.textContent;
  button.dataset.name = before;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    let box = button.parentElement.querySelector("pre.copied");
    if (!box) button.parentElement.append((box = page.element("pre", "copied")));
    box.textContent = text;
    getSelection().selectAllChildren(box);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = before), 2500);
};

// The colours of the style sheet, as now shown, or those of a light page for what is printed or saved.
page.colours = (light) => {
  const style = getComputedStyle(light ? page.byId("light") : document.documentElement);
  const names = ["text", "soft", "card", "line", "front", "other", "reference", "infeasible", "chosen", "control"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
};

// Whatever must be drawn again in other colours or at another width.
page.redraws = [];
page.redraw = (light) => {
  page.redraws = page.redraws.filter((draw) => !draw.place || draw.place.isConnected);
  page.redraws.forEach((draw) => draw(light));
};
