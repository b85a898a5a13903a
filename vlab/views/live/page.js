// What the page's sides of all widgets share; vlab/views/live/live.py puts it before each of them.

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const button = (words, attributes = {}) => make("button", { type: "button", ...attributes }, words);

// "Lecture size", for the back row: a button that stays down. `changed` hears of it once `root` has its class.
function enlarger(words, changed = () => {}) {
  const node = button(words, { "aria-pressed": "false" });
  let root;
  const enlarge = (on) => {
    root.classList.toggle("vlab-lecture", on);
    node.setAttribute("aria-pressed", on);
    changed(on);
  };
  const toggle = () => enlarge(!root.classList.contains("vlab-lecture"));
  node.addEventListener("click", toggle);
  const begin = (whole, on = false) => {
    root = whole;
    if (on) enlarge(true);
  };
  return { node, toggle, begin };
}

