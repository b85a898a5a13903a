// The page's side of a stepper (vlab/views/widget.py). It keeps every frame that it has seen, draws the one at `at`,
// and asks for the others ahead. All controls are plain buttons and a slider; keys and clicks are short-cuts to them.

const KEYS = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", e: "exit", t: "trap" };
const KEEP = 1000; // frames that are asked for ahead; of a longer run only the neighbours

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function render({ model, el }) {
  const words = model.get("words"), stops = model.get("stops"), count = model.get("count");
  const stride = model.get("stride"), chunks = Math.ceil(count / stride);
  const frames = new Map(), sheets = new Map(), asked = new Set();
  let drawn = null, waiting = null, patience;

  const later = (stop) => (stops[stop] ?? []).find((place) => place > model.get("at"));
  const goals = {
    first: () => 0,
    back: () => Math.max(0, model.get("at") - 1),
    next: () => Math.min(count - 1, model.get("at") + 1),
    last: () => count - 1,
    exit: () => later("exit"),
    trap: () => later("trap"),
  };
  const go = (place) => {
    if (place === undefined || place === model.get("at")) return;
    model.set("at", place);
    model.save_changes();
  };

  const verbs = Object.keys(goals).filter((verb) => !["exit", "trap"].includes(verb) || stops[verb]?.length);
  const buttons = Object.fromEntries(verbs.map((verb) => [verb, make("button", { type: "button" }, words[verb])]));
  const slider = make("input", { type: "range", min: 0, max: count - 1, "aria-label": words.slider });
  const place = make("output", {});
  const picture = make("div", { class: "vlab-picture", role: "img" });
  const sentence = make("p", { role: "status", "aria-live": "polite" });
  const detail = make("div", { class: "vlab-detail" });
  const root = make(
    "div",
    // JupyterLab's own short-cuts stay away from keys that are pressed in here.
    { class: "vlab vlab-stepper", role: "group", tabindex: 0, "aria-label": words.group, "data-lm-suppress-shortcuts": "true" },
    make("div", { class: "vlab-controls" }, ...Object.values(buttons), slider, place),
    picture, sentence, detail,
  );
  el.append(root);

  function take(chunk) {
    for (const [number, svg] of Object.entries(chunk.sheets)) sheets.set(Number(number), svg);
    chunk.frames.forEach((frame, offset) => frames.set(chunk.number * stride + offset, frame));
    asked.add(chunk.number);
  }

  function ask(chunk) {
    asked.add(chunk);
    waiting = chunk;
    model.send({ chunk });
  }

  // One chunk at a time, the nearest first, so that the kernel stays free for the reader's cells.
  function askAhead() {
    if (waiting !== null) return;
    const here = Math.floor(model.get("at") / stride), far = count <= KEEP ? chunks : 1;
    for (let distance = 0; distance <= far; distance++)
      for (const chunk of [here + distance, here - distance])
        if (chunk >= 0 && chunk < chunks && !asked.has(chunk)) return ask(chunk);
  }

  function bringIntoView(mark) {
    if (!mark || picture.scrollWidth <= picture.clientWidth) return;
    const [inner, outer] = [mark, picture].map((node) => node.getBoundingClientRect());
    const seen = inner.left >= outer.left && inner.right <= outer.right;
    if (!seen) picture.scrollLeft += inner.left - outer.left - outer.width / 2;
  }

  function show() {
    const at = model.get("at"), frame = frames.get(at), here = Math.floor(at / stride);
    slider.value = at;
    place.textContent = `${at} / ${count - 1}`;
    for (const [verb, button] of Object.entries(buttons)) {
      const goal = goals[verb]();
      button.setAttribute("aria-disabled", goal === undefined || goal === at);
    }
    askAhead();
    if (frame === undefined) {
      if (!asked.has(here)) ask(here);
      clearTimeout(patience);
      patience = setTimeout(() => (sentence.textContent = words.waiting), 2000);
      return;
    }
    clearTimeout(patience);
    const [sheet, lit, says, details] = frame;
    if (drawn !== sheet) picture.innerHTML = sheets.get(sheet);
    drawn = sheet;
    for (const mark of picture.querySelectorAll("[data-event]")) {
      const number = Number(mark.dataset.event);
      for (const kind of ["lit", "cause", "effect"]) mark.classList.toggle(kind, !!lit[kind]?.includes(number));
    }
    bringIntoView(picture.querySelector(".lit"));
    picture.setAttribute("aria-label", says);
    sentence.textContent = says;
    detail.innerHTML = details;
  }

  for (const [verb, button] of Object.entries(buttons)) button.addEventListener("click", () => go(goals[verb]()));
  slider.addEventListener("input", () => go(Number(slider.value)));
  root.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-event]");
    if (!mark) return;
    go(Number(mark.dataset.event));
    root.focus({ preventScroll: true }); // the button that was clicked may be gone now
  });
  root.addEventListener("keydown", (event) => {
    const verb = KEYS[event.key];
    if (!verb || !buttons[verb] || event.altKey || event.ctrlKey || event.metaKey) return;
    go(goals[verb]());
    event.preventDefault();
    event.stopPropagation();
  });

  const arrived = (chunk) => {
    const missing = !frames.has(model.get("at"));
    take(chunk);
    if (waiting === chunk.number) waiting = null;
    if (missing) show();
    askAhead();
  };
  model.on("change:at", show);
  model.on("msg:custom", arrived);
  model.get("ahead").forEach(take);
  show();
  return () => {
    model.off("change:at", show);
    model.off("msg:custom", arrived);
  };
}

export default { render };
