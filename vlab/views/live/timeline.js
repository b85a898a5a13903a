// The page's side of a timeline (vlab/views/live/timelinewidget.py). It has all columns of the run, so zooming, moving and
// filtering wait for no kernel; only the words for the chosen event are asked for. A frame costs as much for a million
// events as for a thousand: what lies between two times is the difference of two running sums, found by halving.
// Nothing moves by itself, so there is nothing to reduce for readers who want no motion.

const LARGE = 1.5; // lecture size
const SAMPLE = 64; // events between two running sums
const MARKS = 500; // with so many events or fewer in view, each has a mark of its own
const HEAD = 178, TOP = 18, LANE = 46, GROUND = 38, AXIS = 34, EDGE = 12;
const FONT = "12px DejaVu Sans, Verdana, sans-serif";
const SLOPES = { kernel: 1, hypervisor: -1, machine: 0 };  // a host's strokes stand upright
const KEYS = {
  ArrowLeft: "back", ArrowRight: "next", Home: "start", End: "end", "+": "in", "=": "in", "-": "out", 0: "whole",
};

const fill = (words, facts) => words.replace(/\{(\w+)\}/g, (_all, name) => facts[name]);
const round = (time) => String(Math.round(time * 100) / 100);

async function unpack(model) {
  const packed = model.get("data"), count = model.get("plan").count;
  const bytes = packed instanceof DataView ? new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength) : packed;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  let place = 0;
  const take = (Kind) => {
    const column = new Kind(buffer, place, count);
    place += column.byteLength;
    return column;
  };
  const times = take(Float64Array);
  return {
    times, parents: take(Uint32Array), lanes: take(Uint8Array), control: take(Uint8Array),
    causes: take(Uint8Array), vms: take(Uint8Array),
  };
}

// The run as the pictures need it: sums of events and of time by lane, and which events the filters let pass.
class Run {
  constructor(columns, plan) {
    Object.assign(this, columns);
    this.plan = plan;
    this.count = plan.count;
    this.height = plan.rows.length;
    this.pass = new Uint8Array(this.count).fill(1);
    const { times, control, count, height } = this, sums = new Float64Array(height);
    this.held = new Float64Array((Math.floor(count / SAMPLE) + 1) * height);
    let time = plan.span[0];
    for (let i = 0; i < count; i++) times[i] = time += times[i];
    for (let i = 0; i < count; i++) {
      if (i % SAMPLE === 0) this.held.set(sums, (i / SAMPLE) * height);
      sums[control[i]] += (i + 1 < count ? times[i + 1] : plan.span[1]) - times[i];
    }
    this.spread();
    this.sum();
  }

  // What happens in one instant stands side by side in it, in its order.
  spread() {
    const { times, count } = this, places = (this.places = new Float64Array(count));
    for (let first = 0, last; first < count; first = last) {
      for (last = first + 1; last < count && times[last] === times[first]; ) last++;
      for (let i = first; i < last; i++) places[i] = times[first] + (i - first) / (last - first);
    }
  }

  sum() {
    const { pass, lanes, count, height } = this, sums = new Uint32Array(height);
    this.sums = new Uint32Array((Math.floor(count / SAMPLE) + 1) * height);
    for (let i = 0; i < count; i++) {
      if (i % SAMPLE === 0) this.sums.set(sums, (i / SAMPLE) * height);
      sums[lanes[i]] += pass[i];
    }
    this.shown = sums.reduce((all, one) => all + one, 0);
  }

  filter(cause, vm, root) {
    const { plan, causes, vms, pass, count } = this;
    const table = (numbers) => Uint8Array.from({ length: 256 }, (_none, n) => !numbers.length || numbers.includes(n));
    const byCause = table(plan.causes[cause][1]), byVm = table(plan.vms[vm][1]);
    const follows = root < 0 ? null : this.effects(root);
    for (let i = 0; i < count; i++) pass[i] = byCause[causes[i]] & byVm[vms[i]] & (follows ? follows[i] : 1);
    this.sum();
  }

  effects(root) {
    const found = new Uint8Array(this.count);
    found[root] = 1;
    for (let i = root + 1; i < this.count; i++) if (this.parents[i]) found[i] = found[i - this.parents[i]];
    found[root] = 0;
    return found;
  }

  // The first event at or after a time.
  after(time) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Events and time of each lane up to a time, into `counts` and `held`.
  upTo(time, counts, held) {
    const { height, plan, times, control } = this, clipped = Math.min(Math.max(time, plan.span[0]), plan.span[1]);
    const end = this.after(clipped), sample = Math.min(Math.floor(end / SAMPLE), this.sums.length / height - 1);
    for (let lane = 0; lane < height; lane++) {
      counts[lane] = this.sums[sample * height + lane];
      held[lane] = this.held[sample * height + lane];
    }
    for (let i = sample * SAMPLE; i < end; i++) {
      counts[this.lanes[i]] += this.pass[i];
      held[control[i]] += Math.min(i + 1 < this.count ? times[i + 1] : plan.span[1], clipped) - Math.min(times[i], clipped);
    }
    return end;
  }

  // The next event from here on that is shown, in this direction; itself where there is none.
  step(from, direction) {
    for (let i = from + direction; i >= 0 && i < this.count; i += direction) if (this.pass[i]) return i;
    return from >= 0 && from < this.count ? from : -1;
  }
}

// A mark's shape says its kind, as on the trap ladder; filled or hollow.
function mark(pen, kind, x, y, r) {
  const points = {
    Trap: [[-r, r], [0, -r], [r, r]],
    Injection: [[-r, r], [0, -r], [r, r]],
    Return: [[-r, -r], [0, r], [r, -r]],
    CsrWrite: [[-r, 0], [0, -r], [r, 0], [0, r]],
    ShadowFill: [[-r, 0], [0, -r], [r, 0], [0, r]],
    Exit: [[-r, -r], [r, -r], [r, r], [-r, r]],
    Entry: [[-r, -r], [r, -r], [r, r], [-r, r]],
    InterruptChange: [[0, -r], [r, -r / 3], [r / 2, r], [-r / 2, r], [-r, -r / 3]],
  }[kind];
  pen.beginPath();
  if (kind === "TlbFlush" || kind === "ShadowFlush") {
    pen.moveTo(x - r, y - r); pen.lineTo(x + r, y + r); pen.moveTo(x - r, y + r); pen.lineTo(x + r, y - r);
  } else if (points) {
    points.forEach(([dx, dy], n) => (n ? pen.lineTo(x + dx, y + dy) : pen.moveTo(x + dx, y + dy)));
    pen.closePath();
  } else if (kind === "Emulation" || kind === "TlbFill") pen.arc(x, y, r, 0, 7);
  else pen.rect(x - r - 1, y - r / 2 - 1, 2 * r + 2, r + 2);
  if (["Trap", "Exit", "CsrWrite", "Emulation"].includes(kind)) pen.fill();
  else {
    pen.save(); pen.fillStyle = pen.paper; pen.fill(); pen.restore();
  }
  pen.stroke();
}

function ticks(start, end, room) {
  let step = 10 ** Math.floor(Math.log10(Math.max(1, (end - start) / 3)));
  const most = Math.max(2, room / 110);
  for (let n = 0; (end - start) / step > most; n++) step *= [2, 2.5, 2][n % 3];
  const found = [];
  for (let tick = Math.ceil(start / step) * step; tick <= end; tick += step) found.push(tick);
  return found;
}

class Drawing {
  constructor(canvas, run, title) {
    Object.assign(this, { canvas, run, title });
    this.height = TOP + LANE * run.height + AXIS;
    this.enlarge(1);
    this.colours();
  }

  // Everything is drawn so many times as large; widths, heights and places are what they were without.
  enlarge(zoom) {
    this.zoom = zoom;
    this.canvas.style.height = `${this.height * zoom}px`;
  }

  colours() {
    const style = getComputedStyle(this.canvas);
    this.colour = (name) => style.getPropertyValue(`--vlab-${name}`).trim();
    this.paint = Object.fromEntries(
      ["paper", "ink", "muted", "rule", "lit", "fault-strong", ...["process", "kernel", "hypervisor", "host", "machine"].flatMap(
        (who) => ["strong", "fill", "ink"].map((part) => `${who}-${part}`),
      )].map((name) => [name, this.colour(name)]),
    );
  }

  get width() { return this.canvas.clientWidth / this.zoom; }
  get plot() { return Math.max(50, this.width - HEAD - EDGE); }
  x(time) { return HEAD + ((time - this.window[0]) / (this.window[1] - this.window[0])) * this.plot; }
  time(x) { return this.window[0] + ((x - HEAD) / this.plot) * (this.window[1] - this.window[0]); }
  ground(lane) { return TOP + LANE * lane + GROUND; }

  draw(window, at, effects) {
    const { canvas, run, height, width } = this, scale = (devicePixelRatio || 1) * this.zoom;
    this.window = window;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = (this.pen = canvas.getContext("2d"));
    pen.paper = this.paint.paper;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.names();
    this.overview();
    pen.save();
    pen.beginPath(); pen.rect(HEAD - 1, 0, this.plot + EDGE, height); pen.clip();
    const few = this.lanes();
    if (at >= 0) this.chosen(at);
    if (few) this.marks(at, effects);
    this.axis();
    pen.restore();
  }

  names() {
    const { pen, run, paint } = this;
    pen.fillStyle = paint.muted; pen.font = FONT;
    pen.fillText(this.title, 0, this.ground(run.height - 1) + 23, HEAD - 16);
    run.plan.rows.forEach(([who, name], lane) => {
      const top = TOP + LANE * lane;
      pen.fillStyle = paint[`${who}-fill`]; pen.fillRect(0, top, HEAD - 10, GROUND);
      pen.strokeStyle = paint[`${who}-strong`]; pen.lineWidth = 0.8;
      pen.strokeRect(0.5, top + 0.5, 8, GROUND - 1);
      pen.save();
      pen.beginPath(); pen.rect(0, top, 8, GROUND); pen.clip(); pen.beginPath();
      if (who in SLOPES) for (let y = -8; y < GROUND + 8; y += 5) {
        pen.moveTo(0, top + y + 4 * SLOPES[who]); pen.lineTo(8, top + y - 4 * SLOPES[who]);
      }
      if (who === "host") for (let x = 2.5; x < 8; x += 5) { pen.moveTo(x, top); pen.lineTo(x, top + GROUND); }
      pen.stroke(); pen.restore();
      pen.strokeStyle = paint.rule; pen.beginPath();
      pen.moveTo(HEAD, top + GROUND + 0.5); pen.lineTo(this.width - EDGE, top + GROUND + 0.5); pen.stroke();
      pen.fillStyle = paint[`${who}-ink`]; pen.font = `bold ${FONT}`;
      const lines = this.lines(name, HEAD - 34).slice(0, 2);
      lines.forEach((line, n) => pen.fillText(line, 16, top + GROUND / 2 + 4 - 7.5 * (lines.length - 1) + 15 * n, HEAD - 30));
    });
  }

  lines(words, room) {
    const found = [""];
    for (const word of words.split(" ")) {
      const longer = `${found.at(-1)} ${word}`.trim();
      if (found.at(-1) && this.pen.measureText(longer).width > room) found.push(word);
      else found[found.length - 1] = longer;
    }
    return found;
  }

  // A bar over everything: which part of the run this is.
  overview() {
    const { pen, paint, plot } = this, [first, last] = this.run.plan.span, place = (time) =>
      HEAD + Math.min(1, Math.max(0, (time - first) / (last - first))) * plot;
    pen.fillStyle = paint.rule; pen.fillRect(HEAD, 4, plot, 5);
    const left = place(this.window[0]), right = place(this.window[1]);
    pen.fillStyle = paint["kernel-strong"]; pen.fillRect(Math.min(left, HEAD + plot - 4), 4, Math.max(4, right - left), 5);
  }

  // Areas and bars; whether there are so few events that each gets a mark instead of the bars.
  lanes() {
    const { run, plot, pen, paint } = this, rows = run.plan.rows, step = 2, bars = Math.ceil(plot / step);
    const counts = new Float64Array(bars * rows.length), shares = new Float32Array(bars * rows.length);
    let before = new Uint32Array(rows.length), heldBefore = new Float64Array(rows.length);
    let after = new Uint32Array(rows.length), heldAfter = new Float64Array(rows.length);
    const first = run.upTo(this.time(HEAD), before, heldBefore);
    const duration = this.time(HEAD + step) - this.time(HEAD);
    let most = 1, last = first;
    this.counts = new Array(rows.length).fill(0);
    for (let bar = 0; bar < bars; bar++) {
      last = run.upTo(this.time(HEAD + step * (bar + 1)), after, heldAfter);
      for (let lane = 0; lane < rows.length; lane++) {
        const count = after[lane] - before[lane];
        counts[lane * bars + bar] = count;
        shares[lane * bars + bar] = Math.min(1, (heldAfter[lane] - heldBefore[lane]) / duration);
        if (count > most) most = count;
        this.counts[lane] += count;
      }
      [before, after, heldBefore, heldAfter] = [after, before, heldAfter, heldBefore];
    }
    this.range = [first, last];
    const few = this.counts.reduce((all, one) => all + one, 0) <= MARKS;
    rows.forEach(([who], lane) => {
      const ground = this.ground(lane);
      pen.beginPath(); pen.moveTo(HEAD, ground);
      for (let bar = 0; bar < bars; bar++) {
        const y = ground - (GROUND - 4) * shares[lane * bars + bar];
        pen.lineTo(HEAD + step * bar, y); pen.lineTo(HEAD + step * (bar + 1), y);
      }
      pen.lineTo(HEAD + bars * step, ground);
      pen.fillStyle = paint[`${who}-fill`]; pen.fill();
      pen.strokeStyle = paint[`${who}-strong`]; pen.lineWidth = 0.8; pen.stroke();
      if (few) return;
      pen.fillStyle = paint[`${who}-strong`]; pen.beginPath();
      for (let bar = 0; bar < bars; bar++) {
        const count = counts[lane * bars + bar];
        if (!count) continue;
        const height = 4 + (GROUND - 12) * (most > 1 ? Math.log(count) / Math.log(most) : 0);
        pen.rect(HEAD + step * bar, ground - height, step * 0.8, height);
      }
      pen.fill();
    });
    return few;
  }

  middle(i) { return this.ground(this.run.lanes[i]) - GROUND / 2; }

  marks(at, effects) {
    const { run, pen, paint } = this, [first, last] = this.range;
    pen.lineWidth = 1.6;
    for (let i = first; i < last; i++) {
      if (!run.pass[i]) continue;
      const kind = run.plan.kinds[run.causes[i]][0], who = run.plan.rows[run.lanes[i]][0];
      pen.fillStyle = pen.strokeStyle = kind === "Trap" ? paint["fault-strong"] : paint[`${who}-strong`];
      mark(pen, kind, this.x(run.places[i]), this.middle(i), 5);
      if (!effects?.[i]) continue;
      pen.strokeStyle = paint.ink; pen.beginPath(); pen.arc(this.x(run.places[i]), this.middle(i), 9, 0, 7); pen.stroke();
    }
  }

  // The chosen event, and the way from what it follows from.
  chosen(at) {
    const { run, pen, paint } = this, x = this.x(run.places[at]), y = this.middle(at), bottom = this.ground(run.height - 1) + 6;
    pen.fillStyle = paint.lit; pen.fillRect(x - 8, TOP - 4, 16, bottom - TOP + 2);
    pen.strokeStyle = paint.ink; pen.lineWidth = 1; pen.setLineDash([5, 4]); pen.beginPath();
    pen.moveTo(x, TOP - 4); pen.lineTo(x, bottom);
    if (run.parents[at]) {
      const cause = at - run.parents[at], from = this.x(run.places[cause]), height = this.middle(cause);
      pen.moveTo(from, height); pen.quadraticCurveTo((from + x) / 2, Math.min(height, y) - 18, x, y);
    }
    pen.stroke(); pen.setLineDash([]);
    pen.lineWidth = 2.4; pen.beginPath(); pen.arc(x, y, 10, 0, 7); pen.stroke();
  }

  axis() {
    const { pen, paint } = this, y = this.ground(this.run.height - 1) + 8;
    pen.strokeStyle = paint.muted; pen.fillStyle = paint.muted; pen.lineWidth = 1;
    pen.font = FONT; pen.textAlign = "center";
    for (const tick of ticks(this.window[0], this.window[1], this.plot)) {
      const x = this.x(tick), words = tick.toLocaleString("en").replaceAll(",", " "), half = pen.measureText(words).width / 2;
      pen.beginPath(); pen.moveTo(x, y - 4); pen.lineTo(x, y + 2); pen.stroke();
      if (x - half >= HEAD && x + half <= this.width) pen.fillText(words, x, y + 15);
    }
    pen.textAlign = "left";
  }

  // The shown event whose mark is nearest to a place on the canvas; -1 far from all.
  nearest(x, y) {
    const { run } = this, lane = Math.floor((y - TOP) / LANE), middle = run.after(this.time(x));
    if (x < HEAD || lane < 0 || lane >= run.height) return -1;
    let best = -1, distance = 12;
    for (const direction of [1, -1])
      for (let i = direction > 0 ? middle : middle - 1; i >= 0 && i < run.count; i += direction) {
        const away = Math.abs(this.x(run.places[i]) - x);
        if (away >= distance) break;
        if (run.lanes[i] === lane && run.pass[i]) { best = i; distance = away; break; }
      }
    return best;
  }
}

function controls(model, words, plan) {
  const names = ["whole", "in", "out", "earlier", "later", "back", "next", "effects"];
  const buttons = Object.fromEntries(names.map((name) => [name, button(words[name])]));
  const select = (name, options) => {
    const node = make("select", {});
    let group = node, last = "";
    options.forEach(([title, _numbers, heading], n) => {
      if (heading !== last) node.append((group = make("optgroup", { label: words[(last = heading)] })));
      group.append(make("option", { value: n }, title));
    });
    node.addEventListener("change", () => { model.set(name, Number(node.value)); model.save_changes(); });
    return node;
  };
  return { buttons, cause: select("cause", plan.causes), vm: select("vm", plan.vms) };
}

function build(model, el, run) {
  const words = model.get("words"), plan = run.plan, { buttons, cause, vm } = controls(model, words, plan);
  const canvas = make("canvas", { role: "img", "aria-label": words.group }), hint = make("p", { class: "vlab-hint" }, words.help);
  const sentence = make("p", { role: "status", "aria-live": "polite" }), detail = make("div", { class: "vlab-detail" });
  const filters = make("div", { class: "vlab-controls" },
    make("label", {}, words.cause, cause), make("label", {}, words.vm, vm), buttons.effects);
  const drawing = new Drawing(canvas, run, words.axis);
  const bigger = enlarger(words.bigger, (on) => drawing.enlarge(on ? LARGE : 1)); // the observer of its size draws it
  const moves = ["whole", "in", "out", "earlier", "later", "back", "next"].map((name) => buttons[name]);
  const root = make("div",
    // JupyterLab's own short-cuts stay away from keys that are pressed in here.
    { class: "vlab vlab-timeline", role: "group", tabindex: 0, "aria-label": words.group, "data-lm-suppress-shortcuts": "true" },
    filters, make("div", { class: "vlab-controls" }, ...moves, bigger.node), canvas, hint, sentence, detail);
  el.append(root);
  bigger.begin(root, model.get("size") === "lecture");
  return { root, canvas, hint, sentence, detail, buttons, cause, vm, drawing };
}

function begin({ model, el }, run) {
  const { root, canvas, hint, sentence, detail, buttons, cause, vm, drawing } = build(model, el, run);
  const words = model.get("words"), plan = run.plan, [first, last] = plan.span;
  let planned = 0, patience, marked = -1, effects = null, saving, asked = -1;
  // While the reader drags, the window moves here first, and the kernel hears of it when the hand rests.
  let window_ = model.get("window");

  const at = () => model.get("at");
  const set = (facts) => { for (const [name, value] of Object.entries(facts)) model.set(name, value); model.save_changes(); };
  const redraw = () => { planned ||= requestAnimationFrame(() => { planned = 0; frame(); }); };

  function frame() {
    const place = at();
    if (marked !== place) { marked = place; effects = place < 0 ? null : run.effects(place); }
    drawing.draw(window_, place, effects);
    clearTimeout(saving);
    saving = setTimeout(rest, 150);
  }

  // What need not follow every frame: the kernel's copy of the window, and the sentence.
  function rest() {
    const stored = model.get("window");
    if (stored[0] !== window_[0] || stored[1] !== window_[1]) set({ window: window_ });
    const counts = drawing.counts, shown = counts.reduce((all, one) => all + one, 0);
    const lanes = plan.rows.map(([_who, name], lane) => `${name} ${counts[lane]}`).filter((_row, lane) => counts[lane]);
    canvas.setAttribute("aria-label", fill(words.sentence, {
      start: round(window_[0]), end: round(window_[1]), shown, total: run.count, lanes: lanes.join(", ") || words.none,
    }));
  }

  function show(start, end) {
    const least = Math.min(10, last - first), span = Math.min(Math.max(end - start, least), (last - first) * 1.2);
    const middle = (start + end) / 2, reach = span / 2;
    const held = Math.min(Math.max(middle, first), last);
    window_ = [held - reach, held + reach];
    if (span >= last - first) window_ = [first, last];
    redraw();
  }
  const zoom = (factor, around = (window_[0] + window_[1]) / 2) =>
    show(around - (around - window_[0]) * factor, around + (window_[1] - around) * factor);
  const pan = (part) => { const step = (window_[1] - window_[0]) * part; show(window_[0] + step, window_[1] + step); };

  function choose(place) {
    if (place < 0) return;
    const time = run.places[place], half = (window_[1] - window_[0]) / 2;
    if (time < window_[0] || time >= window_[1]) show(time - half, time + half);
    set({ at: place });
  }
  const brief = (place) => {
    const [_key, why, kind] = plan.kinds[run.causes[place]];
    return fill(words.brief, {
      number: place, time: run.times[place], kind, cause: why, lane: plan.rows[run.lanes[place]][1],
    });
  };

  const verbs = {
    whole: () => show(first, last), in: () => zoom(0.5, inView(at()) ? run.places[at()] : undefined), out: () => zoom(2),
    earlier: () => pan(-0.5), later: () => pan(0.5),
    back: () => choose(at() < 0 ? run.step(run.after(window_[1]), -1) : run.step(at(), -1)),
    next: () => choose(at() < 0 ? run.step(run.after(window_[0]) - 1, 1) : run.step(at(), 1)),
    start: () => choose(run.step(-1, 1)), end: () => choose(run.step(run.count, -1)),
    effects: () => { if (model.get("root") >= 0) set({ root: -1 }); else if (at() >= 0) set({ root: at() }); },
  };
  const inView = (place) => place >= 0 && run.places[place] >= window_[0] && run.places[place] < window_[1];

  function filtered() {
    run.filter(model.get("cause"), model.get("vm"), model.get("root"));
    cause.value = model.get("cause"); vm.value = model.get("vm");
    buttons.effects.setAttribute("aria-pressed", model.get("root") >= 0);
    redraw();
  }
  function told() {
    const place = at();
    buttons.effects.setAttribute("aria-disabled", place < 0 && model.get("root") < 0);
    redraw();
    if (place < 0) { sentence.textContent = detail.textContent = ""; return; }
    if (asked === place) return;
    asked = place;
    sentence.textContent = brief(place);
    detail.textContent = "";
    model.send({ event: place });
    clearTimeout(patience);
    patience = setTimeout(() => (detail.textContent = words.waiting), 2000);
  }
  function arrived(answer) {
    if (answer.event !== at()) return;
    clearTimeout(patience);
    sentence.textContent = answer.sentence;
    detail.innerHTML = answer.html;
  }
  const moved = () => { window_ = model.get("window"); redraw(); };

  for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => verbs[name]());
  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "SELECT") return;
    let verb = KEYS[event.key];
    if (event.shiftKey && verb === "back") verb = "earlier";
    if (event.shiftKey && verb === "next") verb = "later";
    if (!verb) return;
    verbs[verb]();
    event.preventDefault();
    event.stopPropagation();
  });
  detail.addEventListener("click", (event) => {
    const button = event.target.closest("[data-event]");
    if (!button) return;
    choose(Number(button.dataset.event));
    root.focus({ preventScroll: true }); // the button that was clicked may be gone now
  });

  let grip = null;
  const spot = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top].map((far) => far / drawing.zoom); };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    grip = { x: spot(event)[0], window: window_, far: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = spot(event);
    if (grip) {
      grip.far ||= Math.abs(x - grip.x) > 4;
      canvas.classList.toggle("vlab-moving", grip.far);
      const shift = ((grip.x - x) / drawing.plot) * (grip.window[1] - grip.window[0]);
      if (grip.far) show(grip.window[0] + shift, grip.window[1] + shift);
      return;
    }
    const place = drawing.nearest(x, y);
    hint.textContent = place < 0 ? words.help : brief(place);
    canvas.style.cursor = place < 0 ? "" : "pointer";
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grip && !grip.far) { choose(drawing.nearest(...spot(event))); root.focus({ preventScroll: true }); }
    grip = null;
    canvas.classList.remove("vlab-moving");
  });
  canvas.addEventListener("pointerleave", () => { if (!grip) hint.textContent = words.help; });
  canvas.addEventListener("dblclick", (event) => zoom(0.25, drawing.time(spot(event)[0])));
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, drawing.time(spot(event)[0]));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / drawing.plot);
    else return; // the page scrolls
    event.preventDefault();
  }, { passive: false });

  const sized = new ResizeObserver(redraw);
  sized.observe(canvas);
  const themed = new MutationObserver(() => { drawing.colours(); redraw(); });
  for (const node of [document.documentElement, document.body]) themed.observe(node, { attributes: true });

  const heard = { "change:at": told, "change:window": moved, "msg:custom": arrived };
  for (const name of ["cause", "vm", "root"]) heard[`change:${name}`] = filtered;
  for (const [name, listener] of Object.entries(heard)) model.on(name, listener);
  filtered();
  told();
  drawing.colours();
  frame();
  root.dataset.drawn = "true";
  return () => {
    for (const [name, listener] of Object.entries(heard)) model.off(name, listener);
    sized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(planned);
    clearTimeout(saving);
    clearTimeout(patience);
  };
}

function render({ model, el }) {
  let leave = null, left = false;
  unpack(model).then((columns) => {
    if (!left) leave = begin({ model, el }, new Run(columns, model.get("plan")));
  }).catch((fault) => {
    el.append(make("p", { role: "alert" }, model.get("words").unable));
    console.error(fault);
  });
  return () => { left = true; leave?.(); };
}

export default { render };
