// The page's side of a stepper (vlab/views/live/stepperwidget.py). It keeps every frame that it has seen, draws the one at `at`,
// and asks for the others ahead. All controls are plain buttons, lists and a slider; keys and clicks are short-cuts.

const KEYS = {
  ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last",
  e: "exit", t: "trap", s: "switch", d: "difference", p: "play", w: "who", l: "bigger",
};
const STOPS = ["exit", "trap", "switch", "difference"];
const KEEP = 1000; // frames that are asked for ahead; of a longer run only the neighbours
const SPEEDS = [0.5, 1, 2, 4, 8]; // positions a second
let steppers = 0;

// Play moves by itself, so it is told when the page's reader wants little motion: then never faster than 1×.
function player({ words, step, changed }) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const speeds = SPEEDS.map((speed) => make("option", { value: speed }, `${speed}×`));
  const speed = make("select", { "aria-label": words.speed }, ...speeds);
  const play = button(words.play, { "aria-pressed": "false" });
  let timer;

  const slow = () => {
    for (const option of speeds) option.disabled = still.matches && option.value > 1;
    if (still.matches && speed.value > 1) speed.value = 1;
  };
  const pause = () => {
    clearTimeout(timer);
    timer = undefined;
    play.textContent = words.play;
    play.setAttribute("aria-pressed", "false");
    changed(false);
  };
  const turn = () => {
    if (step()) timer = setTimeout(turn, 1000 / speed.value);
    else pause();
  };
  const start = () => {
    play.textContent = words.pause;
    play.setAttribute("aria-pressed", "true");
    changed(true);
    turn();
  };
  const toggle = () => (timer === undefined ? start() : pause());
  speed.value = 1;
  slow();
  still.addEventListener("change", slow);
  play.addEventListener("click", toggle);
  const leave = () => {
    clearTimeout(timer);
    still.removeEventListener("change", slow);
  };
  return { nodes: [play, speed], toggle, leave, pause: () => timer !== undefined && pause() };
}

// "Who wrote this?": a list of what the state shows, and a button that goes where the chosen one was last written.
function asker({ words, go }) {
  const list = make("select", {}), button_ = button(words.wrote);
  const label = make("label", {}, words.who, " ", list);
  const node = make("span", { class: "vlab-who", hidden: "" }, label, button_);
  let wrote = {};

  const show = () => {
    const place = wrote[list.value];
    button_.setAttribute("aria-disabled", !(place >= 0));
  };
  const offer = (found) => {
    wrote = found;
    const chosen = list.value;
    list.replaceChildren(
      ...Object.entries(found).map(([name, at]) => {
        const said = at < 0 ? words.unwritten : words.written;
        return make("option", { value: name }, said.replace("{name}", name).replace("{at}", at));
      }),
    );
    if (chosen in found) list.value = chosen;
    node.hidden = !Object.keys(found).length;
    show();
  };
  const ask = () => wrote[list.value] >= 0 && go(wrote[list.value]);
  const choose = (name) => {
    if (!(name in wrote)) return;
    list.value = name;
    show();
    ask();
  };
  list.addEventListener("change", show);
  button_.addEventListener("click", ask);
  return { node, offer, choose, focus: () => node.hidden || list.focus() };
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
    switch: () => later("switch"),
    difference: () => later("difference"),
  };
  const go = (place) => {
    if (place === undefined || place === model.get("at")) return;
    model.set("at", place);
    model.save_changes();
  };

  const verbs = Object.keys(goals).filter((verb) => !STOPS.includes(verb) || stops[verb]?.length);
  const buttons = Object.fromEntries(verbs.map((verb) => [verb, button(words[verb])]));
  const slider = make("input", { type: "range", min: 0, max: count - 1, "aria-label": words.slider });
  const place = make("output", {});
  const picture = make("div", { class: "vlab-picture", role: "img", tabindex: 0 });
  const sentence = make("p", { role: "status", "aria-live": "polite" });
  const detail = make("div", { class: "vlab-detail" });
  const keys = make("p", { id: `vlab-keys-${++steppers}` }, words.keys);
  const help = make("details", { class: "vlab-help" }, make("summary", {}, words.help), keys);
  const bigger = enlarger(words.bigger, () => {
    arrange();
    bringIntoView(picture.querySelector(".lit"));
  });
  const who = asker({ words, go });
  const play = player({
    words,
    // A frame that has not come yet is waited for; at the end it stops.
    step() {
      if (frames.has(model.get("at"))) go(goals.next());
      return model.get("at") < count - 1;
    },
    changed: (on) => sentence.setAttribute("aria-live", on ? "off" : "polite"),
  });
  const root = make(
    "div",
    {
      class: "vlab vlab-stepper", role: "group", tabindex: 0,
      "aria-label": words.group, "aria-describedby": keys.id,
      "data-lm-suppress-shortcuts": "true", // JupyterLab's own short-cuts stay away from keys that are pressed in here
    },
    make("div", { class: "vlab-controls" }, ...Object.values(buttons), slider, place),
    make("div", { class: "vlab-controls" }, ...play.nodes, who.node, bigger.node, help),
    picture, sentence, detail,
  );
  el.append(root);

  const actions = {
    play: play.toggle,
    who: who.focus,
    bigger: bigger.toggle,
  };

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

  function draw(sheet) {
    const left = picture.scrollLeft;
    picture.innerHTML = sheets.get(sheet);
    arrange();
    picture.scrollLeft = left;
    drawn = sheet;
  }

  // In lecture size a picture that can be narrow is: its right halves go under the left ones.
  function arrange() {
    const svg = picture.querySelector("svg"), large = root.classList.contains("vlab-lecture");
    if (!svg) return;
    const wide = ["width", "height"].map((name) => svg.getAttribute(name));
    const narrow = large && svg.querySelector("[data-narrow]")?.dataset.narrow.split(" ");
    const [width, height] = narrow || wide;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.aspectRatio = `${width} / ${height}`;
    picture.style.setProperty("--vlab-width", `${width}px`);
    for (const part of svg.querySelectorAll("[data-move]"))
      part.setAttribute("transform", narrow ? `translate(${part.dataset.move})` : "");
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
    const [sheet, lit, says, details, wrote] = frame;
    if (drawn !== sheet) draw(sheet);
    for (const mark of picture.querySelectorAll("[data-event]")) {
      const number = Number(mark.dataset.event);
      for (const kind of ["lit", "cause", "effect"]) mark.classList.toggle(kind, !!lit[kind]?.includes(number));
    }
    bringIntoView(picture.querySelector(".lit"));
    picture.setAttribute("aria-label", says);
    sentence.textContent = says;
    detail.innerHTML = details;
    who.offer(wrote ?? {});
  }

  for (const [verb, button] of Object.entries(buttons))
    button.addEventListener("click", () => {
      play.pause();
      go(goals[verb]());
    });
  slider.addEventListener("input", () => go(Number(slider.value)));
  root.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-event], [data-who]");
    if (!mark) return;
    if (mark.dataset.event !== undefined) go(Number(mark.dataset.event));
    else who.choose(mark.dataset.who);
    root.focus({ preventScroll: true }); // the button that was clicked may be gone now
  });
  root.addEventListener("keydown", (event) => {
    const verb = KEYS[event.key], inList = event.target.tagName === "SELECT";
    if (!verb || inList || event.altKey || event.ctrlKey || event.metaKey) return;
    if (actions[verb]) actions[verb]();
    else if (buttons[verb]) go(goals[verb]());
    else return;
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
  bigger.begin(root, model.get("size") === "lecture");
  return () => {
    play.leave();
    model.off("change:at", show);
    model.off("msg:custom", arrived);
  };
}

export default { render };
