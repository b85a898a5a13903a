// The presenter: which slide is on the wall, and how big. The place stands in the address, so that a reload keeps it.
"use strict";
const slides = [...document.querySelectorAll(".slide")];
const columnOf = (slide) => Number(slide.dataset.column);
let at = 0;

function show(wanted) {
  at = Math.min(Math.max(0, wanted), slides.length - 1);
  slides.forEach((slide, n) => slide.classList.toggle("current", n === at));
  document.getElementById("place").textContent = `${at + 1} / ${slides.length}`;
  document.getElementById("title").textContent = at ? slides[at].dataset.title : "";
  document.querySelector(".help").hidden = at > 0; // how to move is said on the first slide, which section on the others
  document.getElementById("back").disabled = at === 0;
  document.getElementById("next").disabled = at === slides.length - 1;
  if (location.hash !== `#${at + 1}`) history.replaceState(null, "", `#${at + 1}`);
  fit(slides[at]);
}

// What is taller or wider than the wall gets smaller, down to a half; what is larger still is scrolled.
function fit(slide) {
  const content = slide.firstElementChild;
  slide.scrollTop = 0;
  let scale = 1;
  content.style.zoom = 1;
  const over = () => slide.scrollHeight > slide.clientHeight + 1 || slide.scrollWidth > slide.clientWidth + 1;
  while (over() && scale > 0.5) {
    scale -= 0.05;
    content.style.zoom = scale;
  }
  slide.tabIndex = over() ? 0 : -1; // only what scrolls takes the focus
}

const first = (column) => slides.findIndex((slide) => columnOf(slide) === column);
function section(step) {
  const column = columnOf(slides[at]) + step;
  if (step < 0 && at > first(columnOf(slides[at]))) return first(columnOf(slides[at]));
  const found = first(column);
  return found < 0 ? at : found;
}
function within(step) {
  const near = slides[at + step];
  return near && columnOf(near) === columnOf(slides[at]) ? at + step : at;
}

const keys = {
  " ": (shift) => at + (shift ? -1 : 1), PageDown: () => at + 1, PageUp: () => at - 1, n: () => at + 1, p: () => at - 1,
  Home: () => 0, End: () => slides.length - 1,
  ArrowRight: () => section(1), ArrowLeft: () => section(-1), ArrowDown: () => within(1), ArrowUp: () => within(-1),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || !keys[event.key]) return;
  if (event.key === " " && event.target instanceof HTMLButtonElement) return; // Space presses it
  event.preventDefault();
  show(keys[event.key](event.shiftKey));
});
document.getElementById("next").addEventListener("click", () => show(at + 1));
document.getElementById("back").addEventListener("click", () => show(at - 1));
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
addEventListener("resize", () => fit(slides[at]));
addEventListener("load", () => fit(slides[at])); // pictures have their sizes only now
show(Number(location.hash.slice(1)) - 1 || 0);
