// Follows a study while it runs: the server says when its table has grown, and the page takes over what is new.
page.starts = [...(page.starts ?? []), () => {
  if (!page.data.live) return;
  const state = page.byId("live"), tell = (text, good) => { state.textContent = text; state.className = good ? "live" : "live off"; };
  async function take() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const now = new DOMParser().parseFromString(await answer.text(), "text/html");
    const whole = (doc) => Boolean(doc.getElementById("front-section"));
    if (whole(now) !== whole(document)) return location.reload(); // the first complete law brings figures with it
    page.data = JSON.parse(now.getElementById("data").textContent);
    // words and tables that the server wrote; what the scripts fill is left alone
    document.querySelectorAll("[data-fresh]").forEach((place) => {
      const fresh = now.querySelector(`[data-fresh="${place.dataset.fresh}"]`);
      if (fresh) place.replaceChildren(...fresh.cloneNode(true).childNodes);
    });
    document.querySelectorAll(".plot[aria-label]").forEach((place) => {
      const fresh = now.querySelector(`.plot[data-figure="${place.dataset.figure}"]`);
      if (fresh) place.setAttribute("aria-label", fresh.getAttribute("aria-label"));
    });
    page.drawAll();
    document.querySelectorAll(".plot").forEach(page.offerFigure);
    (page.updates ?? []).forEach((update) => update());
    page.selection.refresh();
    const count = Object.keys(page.data.trials).length;
    tell(`live · ${count} laws · ${new Date().toLocaleTimeString()}`, true);
  }
  const events = new EventSource("events?have=" + encodeURIComponent(page.data.live));
  events.onopen = () => tell("live", true);
  let taking = Promise.resolve(); // one after the other
  events.onmessage = (event) => {
    taking = taking.then(() => (event.data === page.data.live ? null : take())).catch(() => tell("the page could not be renewed", false));
  };
  events.onerror = () => tell("the server has ended; this page stays as it is", false);
}];
