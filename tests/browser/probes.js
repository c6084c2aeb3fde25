// What the tests ask of an opened page. Each function returns plain data; a list of findings is empty if all is well.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    return (box.width > 0 || box.height > 0) && getComputedStyle(element).visibility !== "hidden";
  };
  const name = (element) => {
    const own = element.id ? `#${element.id}` : [...element.classList].slice(0, 3).map((part) => `.${part}`).join("");
    const above = element.parentElement?.closest("[id], [class]");
    const place = above ? `${above.tagName.toLowerCase()}${above.id ? `#${above.id}` : `.${above.classList[0]}`} > ` : "";
    return `${place}${element.tagName.toLowerCase()}${own} "${(element.textContent || "").trim().slice(0, 40)}"`;
  };

  // Folded parts hide what is in them from every check.
  const unfold = () => {
    for (const part of all("details")) part.open = true;
    for (const button of all("button.toggle-button.toggle-button-hidden, .toggle-button-hidden > .toggle-button"))
      button.click();
  };

  const settled = async () => {
    await document.fonts.ready;
    await window.MathJax?.startup?.promise;
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  };
  const undrawn = () => all(".plotly-graph-div").filter((plot) => !plot.querySelector(".main-svg")).length;

  // Layout
  const tooWide = () => {
    const root = document.documentElement;
    if (root.scrollWidth <= window.innerWidth) return [];
    const wide = all("body *").filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1);
    return [`the page is ${root.scrollWidth} px wide`, ...wide.slice(0, 8).map(name)];
  };
  const scrolls = (element) => /auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX);
  const sticksOut = () => {
    const article = document.querySelector("article");
    if (!article) return [];
    const edge = Math.min(window.innerWidth, article.getBoundingClientRect().right) + 2;
    const out = all("*", article).filter((element) => {
      if (element.closest("svg, mjx-container *, .visually-hidden") || !shown(element)) return false;
      const box = element.getBoundingClientRect();
      const text = scrolls(element) ? 0 : box.left + element.scrollWidth;
      if (Math.max(box.right, text) <= edge || getComputedStyle(element).position === "fixed") return false;
      for (let up = element.parentElement; up && up !== article; up = up.parentElement) if (scrolls(up)) return false;
      return true;
    });
    return out.slice(0, 8).map(name);
  };

  // A box that scrolls must be within reach of the keyboard.
  const reachable = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])";
  const unreachable = () =>
    all("article *, nav *, aside *")
      .filter((box) => {
        const style = getComputedStyle(box);
        const wide = /auto|scroll/.test(style.overflowX) && box.scrollWidth > box.clientWidth + 1;
        const high = /auto|scroll/.test(style.overflowY) && box.scrollHeight > box.clientHeight + 1;
        return (wide || high) && box.clientWidth > 1 && shown(box) && !box.matches(reachable) && !box.querySelector(reachable);
      })
      .map(name);

  // Drawings
  const painted = (mark) => {
    const style = getComputedStyle(mark);
    const box = mark.getBoundingClientRect();
    const ink = mark.tagName === "image" || style.fill !== "none" || style.stroke !== "none";
    return ink && (box.width > 0 || box.height > 0) && Number(style.opacity) > 0;
  };
  const LAYERS = ".overplot, .pielayer, .sunburstlayer, .treemaplayer, .iciclelayer, .sankey, .polarlayer, .indicatorlayer";
  const figureName = (figure) => {
    const label = figure.closest("[aria-label]")?.getAttribute("aria-label") || figure.id;
    return label.slice(0, 70);
  };
  const plots = () =>
    all(".plotly-graph-div").map((plot) => {
      const marks = all(LAYERS, plot).flatMap((layer) => all("path, rect, circle, image, text, use", layer));
      const svg = plot.querySelector(".main-svg")?.getBoundingClientRect();
      return {
        figure: figureName(plot),
        marks: marks.filter(painted).length,
        cut: svg ? Math.round(Math.max(0, svg.width - plot.parentElement.getBoundingClientRect().width)) : 0,
        height: Math.round(svg?.height ?? 0),
      };
    });
  const empty = (canvas) => {
    if (!canvas.width || !canvas.height) return true;
    const context = canvas.getContext("2d");
    if (!context) return false; // drawn by WebGL: its pixels aren't kept
    return !context.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value);
  };
  const attention = () =>
    all("[id^=circuits-vis-]").map((view) => {
      const box = view.getBoundingClientRect();
      const pictures = all("canvas, svg, img", view).filter(shown);
      return {
        figure: figureName(view),
        height: Math.round(box.height),
        text: view.innerText.replace(/\s+/g, " ").trim(),
        pictures: pictures.length,
        empty: pictures.filter((picture) => picture.tagName === "CANVAS" && empty(picture)).length,
      };
    });

  // Some time after the width has changed, plotly draws anew and a script of the page marks the boxes that scroll now.
  const fitted = async (wait) => {
    const fits = (plot) => {
      const svg = plot.querySelector(".main-svg");
      return !svg || svg.getBoundingClientRect().width <= plot.parentElement.getBoundingClientRect().width + 0.5;
    };
    for (const end = performance.now() + wait; performance.now() < end; ) {
      if (all(".plotly-graph-div").every(fits) && unreachable().length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  // Whether a control changes its picture: `remember` what a figure shows, act, then ask whether it has `changed`. What is
  // shown may be megabytes and stays here.
  const LOOKS = {
    drawn: (plot) => all(".overplot, .infolayer", plot).map((layer) => layer.innerHTML).join(),
    pixels: (view) => all("canvas", view).map((canvas) => canvas.toDataURL()).join(),
  };
  let looked;
  const remember = (part, look) => {
    looked = { show: () => LOOKS[look](part) };
    looked.before = looked.show();
  };
  const changed = async (wait) => {
    for (const end = performance.now() + wait; performance.now() < end; ) {
      if (looked.show() !== looked.before) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return looked.show() !== looked.before;
  };

  // Contrast of the text in drawings, which axe does not compute
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const pageColor = (element) => {
    const layers = [];
    for (let up = element; up; up = up.parentElement) layers.push(rgba(getComputedStyle(up).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const inside = (shape, x, y) => {
    const box = shape.getBoundingClientRect();
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) return false;
    if (!shape.isPointInFill) return true;
    const point = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
    return shape.isPointInFill(point);
  };
  // The colour under a text: the shapes that were painted before it, from the page upwards. null: on a bitmap.
  const behind = (text, shapes, page) => {
    const box = text.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    let color = page;
    for (const shape of shapes) {
      if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING) || !inside(shape, x, y)) continue;
      if (shape.tagName === "image") return null;
      const style = getComputedStyle(shape);
      const [r, g, b, a] = rgba(style.fill);
      color = over([r, g, b, a * Number(style.fillOpacity) * Number(style.opacity)], color);
    }
    return color;
  };
  const pale = (least) =>
    all(".js-plotly-plot").flatMap((plot) => {
      const page = pageColor(plot);
      const shapes = all(".main-svg :is(path, rect, circle, image)", plot).filter(
        (shape) => shape.tagName === "image" || (getComputedStyle(shape).fill !== "none" && painted(shape)),
      );
      const texts = all(".main-svg text", plot).filter((text) => text.textContent.trim() && shown(text));
      return texts.flatMap((text) => {
        const style = getComputedStyle(text);
        const below = behind(text, shapes, page);
        if (!below || Number(style.opacity) < 0.1) return [];
        const [r, g, b, a] = rgba(style.fill);
        const found = ratio(over([r, g, b, a * Number(style.fillOpacity) * Number(style.opacity)], below), below);
        return found < least ? [`${found.toFixed(2)}: "${text.textContent}" in ${figureName(plot)}`] : [];
      });
    });

  // Code, drawings and tables of numbers hold thousands of elements, on which axe takes minutes. `paleMany` measures
  // each of their colours once; `thin` then leaves of them what axe's rules are about: their boxes and a few rows; and no
  // drawing, of which nothing is left, is drawn again in other colours or sizes.
  const paleMany = (least) => {
    const seen = new Map();
    for (const element of all(":is(pre, .kc-data table), :is(pre, .kc-data table) *")) {
      const text = [...element.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
      if (!text || !shown(element)) continue;
      const style = getComputedStyle(element);
      const key = `${style.color} ${element.closest("pre, table").className} ${element.className}`;
      if (seen.has(key)) continue;
      const page = pageColor(element);
      seen.set(key, [ratio(over(rgba(style.color), page), page), name(element)]);
    }
    return [...seen.values()].filter(([found]) => found < least).map(([found, place]) => `${found.toFixed(2)}: ${place}`);
  };
  const thin = () => {
    for (const code of all("pre")) code.textContent = code.textContent;
    for (const drawing of all(".main-svg")) drawing.replaceChildren();
    if (window.Plotly) Plotly.react = () => Promise.resolve();
    for (const plot of all(".js-plotly-plot")) removeEventListener("resize", plot._responsiveChartHandler);
    for (const row of all("table.dataframe tr:nth-child(n + 4), .kc-data tr:nth-child(n + 4)")) row.remove();
  };

  const lost = () =>
    all('a[href^="#"]')
      .map((link) => link.getAttribute("href"))
      .filter((href) => href !== "#" && !document.getElementById(decodeURIComponent(href.slice(1))));
  const weight = () => {
    const parts = performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"));
    const sizes = Object.fromEntries(parts.map((part) => [part.name.split(/[?#]/)[0], part.decodedBodySize]));
    return { bytes: Object.values(sizes).reduce((a, b) => a + b, 0), html: parts[0].decodedBodySize, sizes };
  };
  const kinds = () => ({
    plots: all(".plotly-graph-div").length > 0,
    attention: all("[id^=circuits-vis-]").length > 0,
    maths: all("mjx-container, .math").length > 0,
    explorer: all("#kc-explorer").length > 0,
  });

  window.kcProbes = { unfold, settled, undrawn, tooWide, sticksOut, unreachable, plots, attention, fitted, remember, changed, pale, paleMany, thin, lost, weight, kinds };
})();
