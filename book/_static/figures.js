// Draw a plotly figure once the page's font is there: plotly measures its text when it draws. On a dark page the scales of heat
// maps begin at the page's dark instead of at white, and three dark colours are brighter; when the page changes, figures are
// drawn anew.
(() => {
  // Those of helpers.display (scales, and the colours of mlp, relation and mixture), and their like for a dark page.
  const LIGHT = [
    ["#eef5f6", "#b5d5db", "#6eabb8", "#2c7e90", "#0e5566", "#07303b"],
    ["#0b5fa5", "#77aed6", "#eef0f0", "#e9a06b", "#c14f00"],
    ["#137249", "#b9390c", "#b71ba0"],
  ];
  const DARK = [
    ["#1c292e", "#1f4650", "#226878", "#3c95a8", "#7fcbd8", "#dcf4f8"],
    ["#7fc0f7", "#2f6fa8", "#222c30", "#a8612b", "#f5a965"],
    ["#22c981", "#d3410e", "#c41dab"],
  ];
  const PLAIN = new Set(["x", "y", "z", "text", "hovertext", "customdata", "meta"]);
  const isDark = () => document.documentElement.dataset.theme === "dark";

  // A copy of a part of a figure in which the scales and colours of `from` are those of `to`.
  const recolour = (part, from, to) => {
    if (typeof part === "string") return to[2][from[2].indexOf(part)] ?? part;
    if (Array.isArray(part)) {
      const colours = part.map((step) => (Array.isArray(step) ? step[1] : step));
      const scale = from.findIndex((known) => known.length === part.length && known.every((c, i) => c === colours[i]));
      if (scale >= 0) return part.map((step, i) => (Array.isArray(step) ? [step[0], to[scale][i]] : to[scale][i]));
      if (part.length > 200) return part;
      return part.map((item) => recolour(item, from, to));
    }
    if (part === null || typeof part !== "object" || ArrayBuffer.isView(part)) return part;
    return Object.fromEntries(
      Object.entries(part).map(([key, value]) => [key, PLAIN.has(key) ? value : recolour(value, from, to)]),
    );
  };

  const drawn = [];
  window.kcPlot = async (target, data, layout, config) => {
    await document.fonts.load('14px "Source Sans 3"').catch(() => null);
    const figure = typeof target === "string" ? document.getElementById(target) : target;
    if (isDark()) [data, layout] = recolour([data, layout], LIGHT, DARK);
    const plot = await Plotly.newPlot(figure, data, layout, config);
    drawn.push({ figure, dark: isDark() });
    await window.kcSliders?.(figure); // sliders.js
    window.kcControls?.(figure); // a choice for the keyboard, where a page offers one
    return plot;
  };

  new MutationObserver(() => {
    for (const one of drawn) {
      if (one.dark === isDark()) continue;
      one.dark = isDark();
      const [from, to] = one.dark ? [LIGHT, DARK] : [DARK, LIGHT];
      const [data, layout] = recolour([one.figure.data, one.figure.layout], from, to);
      Plotly.react(one.figure, data, layout);
    }
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
