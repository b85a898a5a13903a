// The page's side of an explorer (vlab/views/live/explorerwidget.py). It only asks and shows: every answer is the kernel's.
// While one question is out, the newest of the later ones waits; so a slider that is dragged never runs ahead.

const PATIENCE = 2000; // milliseconds without an answer, after which the reader is told
let explorers = 0;

const options = (pairs) => pairs.map(([value, words]) => make("option", { value }, words));

// One picture with its title and sentence, which can be folded away; it is drawn anew only when it is another one.
function makePane() {
  const title = make("summary", {});
  const picture = make("div", { class: "vlab-picture", role: "img", tabindex: 0 });
  const sentence = make("p", {});
  const node = make("details", { class: "vlab-pane", open: "" }, title, sentence, picture);
  let drawn = null;

  const show = (pane, said) => {
    title.textContent = pane.title;
    sentence.textContent = pane.sentence;
    sentence.hidden = pane.sentence === said;
    picture.hidden = !pane.svg;
    picture.setAttribute("aria-label", pane.sentence);
    if (drawn === pane.svg) return;
    const left = picture.scrollLeft;
    picture.innerHTML = drawn = pane.svg;
    const svg = picture.querySelector("svg");
    if (svg) picture.style.setProperty("--vlab-width", `${svg.getAttribute("width")}px`);
    picture.scrollLeft = left;
  };
  return { node, show };
}

function render({ model, el }) {
  const words = model.get("words"), number = ++explorers;
  const field = make("input", {
    type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-describedby": `vlab-wrong-${number}`,
  });
  const go = button(words.go), back = button(words.back), next = button(words.next);
  const slider = make("input", { type: "range", min: 0, "aria-label": words.stops });
  const access = make("select", {}, ...options(model.get("asked").accesses));
  const mode = make("select", {}, ...options(model.get("asked").modes.map((name) => [name, name])));
  const boxes = ["sum", "mxr"].map((name) => [name, make("input", { type: "checkbox" })]);
  const bigger = enlarger(words.bigger);
  const wrong = make("p", { role: "alert", id: `vlab-wrong-${number}` });
  const said = make("p", { role: "status", "aria-live": "polite" });
  const place = make("div", {}), panes = [];
  const root = make(
    "div",
    {
      class: "vlab vlab-stepper vlab-explorer", role: "group", "aria-label": words.group,
      "data-lm-suppress-shortcuts": "true", // JupyterLab's own short-cuts stay away from keys that are pressed in here
    },
    make("div", { class: "vlab-controls" }, make("label", {}, words.address, field), go, back, slider, next),
    make(
      "div",
      { class: "vlab-controls" },
      make("label", {}, words.access, access), make("label", {}, words.mode, mode),
      ...boxes.map(([name, box]) => make("label", {}, box, words[name])), bigger.node,
    ),
    wrong, said, place,
  );
  el.append(root);

  let out = null, later = null, patience;
  function ask(question) {
    if (out) {
      later = question;
      return;
    }
    out = question;
    patience = setTimeout(() => (wrong.textContent = words.waiting), PATIENCE);
    model.send(question);
  }
  function answered(answer) {
    clearTimeout(patience);
    wrong.textContent = answer.wrong;
    field.setAttribute("aria-invalid", !!answer.wrong);
    const waiting = later;
    out = later = null;
    if (waiting) ask(waiting);
    else show();
  }

  // What the reader is typing, or dragging, is not written over.
  function show() {
    const asked = model.get("asked");
    const refused = field.getAttribute("aria-invalid") === "true";
    if (!refused) field.value = asked.address;
    slider.max = asked.stops.length - 1;
    if (!out) slider.value = asked.at;
    slider.setAttribute("aria-valuetext", asked.stops[slider.value]);
    access.value = asked.access;
    mode.value = asked.mode;
    for (const [name, box] of boxes) {
      box.checked = asked[name];
      box.disabled = !asked.matters[name];
    }
    const shown = model.get("panes");
    while (panes.length < shown.length) {
      panes.push(makePane());
      place.append(panes.at(-1).node);
    }
    panes.forEach((pane, at) => {
      pane.node.hidden = at >= shown.length;
      if (at < shown.length) pane.show(shown[at], shown[0].sentence);
    });
    if (shown.length) said.textContent = shown[0].sentence;
  }

  const type = () => ask({ goto: field.value });
  go.addEventListener("click", type);
  field.addEventListener("keydown", (event) => event.key === "Enter" && type());
  back.addEventListener("click", () => ask({ back: 1 }));
  next.addEventListener("click", () => ask({ next: 1 }));
  slider.addEventListener("input", () => {
    const stop = model.get("asked").stops[slider.value];
    slider.setAttribute("aria-valuetext", stop);
    ask({ goto: stop });
  });
  access.addEventListener("change", () => ask({ access: access.value }));
  mode.addEventListener("change", () => ask({ mode: mode.value }));
  for (const [name, box] of boxes) box.addEventListener("change", () => ask({ [name]: box.checked }));
  bigger.begin(root);

  model.on("change:panes", show);
  model.on("change:asked", show);
  model.on("msg:custom", answered);
  show();
  return () => {
    clearTimeout(patience);
    model.off("change:panes", show);
    model.off("change:asked", show);
    model.off("msg:custom", answered);
  };
}

export default { render };
