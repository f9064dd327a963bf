// The recommended law for the accuracy that one is willing to lose, with its code.
page.starts = [...(page.starts ?? []), () => {
  const slider = page.byId("loss");
  if (!slider) return;
  const { element, byId } = page;
  function advise() {
    const index = Number(slider.value);
    const points = index + " point" + (index === 1 ? "" : "s");
    byId("loss-value").textContent = points;
    slider.setAttribute("aria-valuetext", points);
    const found = page.data.recommendations[index], box = byId("advice");
    box.replaceChildren();
    if (!found) {
      box.append(element("p", "verdict doubt", "There is no law to recommend: every complete law loses more than this, or the trial without defence is not complete."));
      byId("snippet").textContent = "";
      byId("snippet-note").textContent = "";
      return;
    }
    const law = page.data.trials[found.trial], list = element("dl", "big");
    const row = (term, strong, rest) => {
      const value = element("dd");
      value.append(element("b", "", strong), document.createTextNode(" " + rest));
      list.append(element("dt", "", term), value);
    };
    row("law", found.name, law.law);
    row("natural accuracy", found.natural, found.naturalChange ? "without defence " + found.naturalBase : "");
    row("attack accuracy", found.attack, found.naturalChange ? "without defence " + found.attackBase : "");
    box.append(list, element("p", "verdict" + (found.helps ? "" : " doubt"), found.verdict + " " + found.ties));
    if (found.expected) box.append(element("p", "", found.expected));
    const row2 = element("p", "actions");
    row2.append(page.button("Open this law", () => page.selection.open(found.trial)), page.button("Pin this law", () => page.selection.pin(found.trial)));
    if (found.equals.length) row2.append(page.button(`Select the ${found.equals.length} that may be as good`, () => page.selection.set([found.trial, ...found.equals], "recommendation")));
    box.append(row2);
    byId("snippet").textContent = page.codeOf(law);
    byId("snippet-note").textContent = law.obstacles.length
      ? "torchvision's RandomErasing cannot express this law (" + law.obstacles.join("; ") + "):"
      : "A step for your torchvision transforms:";
  }
  slider.value = page.data.defaultLoss;
  slider.addEventListener("input", advise);
  byId("copy").addEventListener("click", () => page.copy(byId("copy"), byId("snippet").textContent));
  advise();
  page.updates = [...(page.updates ?? []), advise];
}];
