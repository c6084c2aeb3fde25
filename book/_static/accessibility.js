// What keyboards and screen readers need and the scripts of others leave out. Runs on every page, after drawing too.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const figureText = (element) => element.closest(".kc-figure")?.getAttribute("aria-label") || "Figure";

  // A box that scrolls sideways or downwards can be reached and is named.
  const BOXES =
    ".highlight pre, .output pre, .text_html, .pst-scrollable-table-container, .kc-data > div, .kc-card, .math, mjx-container[display]";
  const what = (box) => {
    if (box.matches("pre")) return "Code";
    if (box.matches(".math, mjx-container")) return "Formula";
    if (box.matches(".kc-card")) return figureText(box);
    return box.querySelector("table") ? "Table" : "Output";
  };
  const mark = (box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (!scrolls || box.getAttribute("tabindex") === "0") return; // the theme sets -1 while a box doesn't scroll yet
    box.tabIndex = 0;
    if (box.hasAttribute("role")) return;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${what(box)}, scrolls`);
  };
  const markBoxes = () => all(BOXES, document.querySelector("article") || document.body).forEach(mark);

  // The list of references is marked as a list whose entries aren't marked as its items.
  const mendLists = () => all('.citation-list[role="list"]').forEach((list) => list.removeAttribute("role"));

  // circuitsvis draws canvases that say nothing, selects without a name, and heads that only a mouse can choose.
  const nameViews = () => {
    for (const canvas of all("[id^=circuits-vis-] canvas:not([aria-label])")) {
      const head = canvas.closest("div:has(> h4)");
      canvas.setAttribute("aria-label", `${head ? `${head.querySelector("h4").innerText}. ` : ""}${figureText(canvas)}`);
      if (!head) continue;
      head.tabIndex = 0;
      head.setAttribute("role", "button");
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        head.click();
      });
    }
    for (const control of all("[id^=circuits-vis-] :is(select, input):not([aria-label])"))
      control.setAttribute("aria-label", control.closest("div")?.innerText?.trim().split("\n")[0] || "Choose");
  };

  // Sliders and menus inside a drawing answer to a mouse only: a select of the same choices comes before them.
  const run = (plot, path, choice, index) => {
    if (choice.method && choice.method !== "skip") Plotly[choice.method](plot, ...structuredClone(choice.args || []));
    Plotly.relayout(plot, `${path}.active`, index);
  };
  const addSelect = (plot, path, label, choices, active) => {
    const field = document.createElement("label");
    field.className = "kc-keys";
    field.append(`${label} `);
    const select = document.createElement("select");
    for (const choice of choices) select.add(new Option(choice.label ?? choice.value));
    select.selectedIndex = Math.max(0, active ?? 0);
    select.addEventListener("change", () => run(plot, path, choices[select.selectedIndex], select.selectedIndex));
    field.append(select);
    plot.before(field);
  };
  window.kcControls = (plot) => {
    const layout = plot._fullLayout || {};
    (layout.sliders || []).forEach((slider, i) => {
      const label = slider.currentvalue?.prefix?.replace(/[:\s]+$/, "") || "Step";
      if (slider.visible) addSelect(plot, `sliders[${i}]`, label, slider.steps.filter((s) => s.visible), slider.active);
    });
    (layout.updatemenus || []).forEach((menu, i) => {
      if (menu.visible) addSelect(plot, `updatemenus[${i}]`, "Show", menu.buttons.filter((b) => b.visible), menu.active);
    });
  };

  // From a file the browser lets no script read other pages: results of a search then stand without their sentences.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined")
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      markBoxes();
      nameViews();
    }, 150);
  };
  document.addEventListener("DOMContentLoaded", () => {
    mendLists();
    soon();
    const article = document.querySelector("article");
    if (!article) return;
    new ResizeObserver(soon).observe(article);
    // The theme judges all boxes again after each change of size or content, sometimes before they have their width.
    new MutationObserver(soon).observe(article, { attributes: true, attributeFilter: ["tabindex"], subtree: true });
    for (const view of all("[id^=circuits-vis-]", article))
      new MutationObserver(soon).observe(view, { childList: true, subtree: true });
    document.addEventListener("toggle", soon, true);
    window.MathJax?.startup?.promise?.then(soon);
  });
  window.addEventListener("load", soon);
})();
