// The one selection of laws, the pinned laws and the opened law. All figures and tables show them; the address holds them.
{
  const MOST_PINS = 8;
  const listeners = [];
  let chosen = new Set(), pins = [], opened = null, source = null;

  const law = (number) => page.data.trials[number];
  const known = (numbers) => numbers.filter((number) => law(number));

  // Numbers as short text: [1, 2, 3, 7] is "1-3,7".
  const packed = (numbers) => {
    const parts = [];
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const last = parts[parts.length - 1];
      if (last && last[1] === number - 1) last[1] = number;
      else parts.push([number, number]);
    }
    return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  };
  const unpacked = (text) =>
    (text.match(/\d+(-\d+)?/g) ?? []).flatMap((part) => {
      const [from, to] = part.split("-").map(Number);
      return Array.from({ length: Math.min((to ?? from) - from + 1, 100000) }, (_, k) => from + k);
    });

  const toAddress = () => {
    const parts = [];
    if (chosen.size) parts.push("laws=" + packed(chosen));
    parts.push("pins=" + pins.join(","));
    if (opened !== null) parts.push("open=" + opened);
    const address = "#" + parts.join("&");
    if (address !== location.hash) history.replaceState(null, "", address);
  };

  function fromAddress() {
    const entry = (name) => new RegExp(`[#&]${name}=([^&]*)`).exec(location.hash)?.[1];
    chosen = new Set(known(unpacked(entry("laws") ?? "")));
    const asked = entry("pins") ?? entry("trial"); // pages of earlier versions wrote "trial"
    pins = asked === undefined ? known(page.data.pins) : [...new Set(known(unpacked(asked)))].slice(-MOST_PINS);
    const open = entry("open");
    opened = open !== undefined && law(Number(open)) ? Number(open) : null;
    source = null;
  }

  const inView = (place) => {
    const { top, bottom } = place.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };

  // What is in view shows a change in the next frame; the rest follows, one by one, so that it never holds a drag up.
  let asked = false, waiting = [];
  function tell() {
    toAddress();
    if (asked) return;
    asked = true; // many changes within one frame, such as those of a drag, are drawn once
    requestAnimationFrame(() => {
      asked = false;
      const now = listeners.filter(({ place }) => !place || inView(place));
      const idle = !waiting.length;
      waiting = listeners.filter((one) => !now.includes(one));
      now.forEach(({ act }) => act(source));
      if (idle && waiting.length) setTimeout(follow);
    });
  }
  function follow() {
    waiting.shift()?.act(source);
    if (waiting.length) setTimeout(follow);
  }

  page.selection = {
    has: (number) => chosen.has(number),
    get size() { return chosen.size; },
    get numbers() { return [...chosen]; },
    get pins() { return pins; },
    get opened() { return opened; },
    // `by`: what made the selection; everything else drops its own brushes
    set(numbers, by) { chosen = new Set(known([...numbers])); source = by ?? null; tell(); },
    toggle(number) { chosen.has(number) ? chosen.delete(number) : chosen.add(number); chosen = new Set(known([...chosen])); source = "single"; tell(); },
    clear() { chosen = new Set(); source = "clear"; tell(); },
    pinned: (number) => pins.includes(number),
    pin(number) {
      if (!law(number)) return;
      pins = [...pins.filter((other) => other !== number), number].slice(-MOST_PINS);
      page.say(`${page.title(law(number))} is pinned`);
      tell();
    },
    unpin(number) { pins = pins.filter((other) => other !== number); tell(); },
    togglePin(number) { pins.includes(number) ? this.unpin(number) : this.pin(number); },
    open(number) { if (law(number)) { opened = number; tell(); } },
    close() { opened = null; tell(); },
    // `place`: the element that shows the selection; without it, the change is always shown in the next frame
    listen: (act, place) => listeners.push({ act, place }),
    // whether everything shows the selection
    get settled() { return !asked && !waiting.length; },
    refresh() { chosen = new Set(known([...chosen])); pins = known(pins); tell(); },
  };

  fromAddress();
  toAddress();
  addEventListener("hashchange", () => { fromAddress(); tell(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (!chosen.size) return;
    page.selection.clear();
    page.say("nothing is selected");
  });
}
