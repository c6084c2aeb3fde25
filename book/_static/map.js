// Choosing a chapter on the map shows everything that it builds on, and how long that takes.
document.addEventListener("DOMContentLoaded", () => {
  for (const map of document.querySelectorAll(".kc-map")) {
    const told = map.parentElement.querySelector(".kc-map-told");
    const rows = [...map.querySelectorAll(".kc-map-row")];
    const choose = (row) => {
      const needs = row.dataset.needs.split(" ").filter(Boolean);
      const path = new Set([...needs, row.dataset.chapter]);
      map.classList.add("kc-chosen");
      for (const other of rows) other.classList.toggle("kc-on", path.has(other.dataset.chapter));
      for (const arc of map.querySelectorAll("path"))
        arc.classList.toggle("kc-on", path.has(arc.dataset.from) && path.has(arc.dataset.to));
      const hours = (row.dataset.total / 60).toFixed(1);
      const before = needs.length ? `after ${needs.join(", ")}` : "needs nothing before it";
      told.textContent = `Chapter ${row.dataset.chapter}: ${before}; ${hours} hours up to its end.`;
    };
    const clear = () => {
      map.classList.remove("kc-chosen");
      told.textContent = told.dataset.hint;
    };
    for (const row of rows) {
      row.addEventListener("mouseenter", () => choose(row));
      row.addEventListener("focusin", () => choose(row));
    }
    map.addEventListener("mouseleave", clear);
    map.addEventListener("focusout", clear);
  }
});
