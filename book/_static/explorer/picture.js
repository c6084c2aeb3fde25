// The picture of one circuit or of two: cytoscape draws; buttons over the parts take clicks, focus and keys.
(() => {
  const explorer = window.kcExplorer;
  const MARGIN = { left: 62, right: 12, top: 26, bottom: 34 };
  let cy = null;
  let box = null;
  let layer = null;
  let scale = null;
  let drawn = null;
  const listeners = {};

  explorer.onPicture = (name, listener) => (listeners[name] = listener);

  explorer.FEW_LAYERS = 12; // a model with more shows only the layers that its circuit uses, until all are asked for
  const GAP = 0.5; // the height of layers that aren't shown, in rows
  const BENDS = { q: -0.3, k: 0.1, v: 0.3 };
  let rows = null; // {of: layer -> height, gaps, top}

  // Rows for layers, columns for heads: the rules of `helpers.figures.circuit_layout`, over the rows that are shown.
  function place(name) {
    const spine = explorer.graph.n_heads + 0.2;
    if (name === "embed") return { x: spine, y: -1 };
    if (name === "logits") return { x: spine, y: rows.top };
    if (isGap(name)) return { x: spine, y: rows.gaps.find((gap) => gap.id === name).y };
    const [, kind, layer, group, head] = name.match(/^([am])(\d+)(?:\.(h|kv)(\d+))?$/);
    const y = rows.of.get(Number(layer));
    if (kind === "m") return { x: spine, y: y + 0.4 };
    if (group === "h") return { x: Number(head), y };
    const width = explorer.graph.n_heads / explorer.graph.n_groups;
    return { x: Number(head) * width + (width - 1) / 2, y: y - 0.3 };
  }

  function middle(edge) {
    const [start, end] = [place(edge.from), place(edge.to)];
    const at = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
    const rise = end.y - start.y;
    const kind = explorer.graph.readers[edge.reader].match(/<(.)>$/)?.[1];
    const spine = explorer.graph.n_heads + 0.2;
    if (start.x === spine && end.x === spine) return { x: at.x + 0.45 * Math.min(rise, 12) ** 0.7, y: at.y };
    if (!kind) return { x: at.x, y: at.y + Math.min(0.22, rise / 4) };
    return { x: at.x + BENDS[kind] * Math.min(1, rise / 2), y: at.y };
  }

  const isGap = (name) => name.startsWith("gap-");
  const layerOf = (name) => Number(name.match(/\d+/)?.[0] ?? NaN);

  // Which layers have a row, and where those stand that have none: as thin gaps. By roles, only layers in which the
  // circuit has a head with a class get a row.
  function stack(edges, classes, mode) {
    const { n_layers } = explorer.graph;
    const ends = new Set(edges.flatMap((edge) => [edge.from, ...edge.fed, edge.to]));
    const named = (name) => /^a\d+\.h/.test(name) && explorer.kindOf(name, classes).startsWith("kind-");
    const used = new Set([...ends].filter((name) => mode !== "roles" || !classes || named(name)).map(layerOf));
    const shown = (n) => mode === "all" || n_layers <= explorer.FEW_LAYERS || used.has(n);
    const of = new Map();
    const gaps = [];
    let y = 0;
    for (let n = 0; n < n_layers; n++) {
      if (shown(n)) of.set(n, y++);
      else if (n && !shown(n - 1)) gaps.at(-1).last = n;
      else {
        gaps.push({ first: n, last: n, y: y - 0.5 + GAP / 2 });
        y += GAP;
      }
    }
    for (const gap of gaps) gap.id = `gap-${gap.first}-${gap.last}`;
    return { of, gaps, top: y };
  }

  const isShown = (name) => !/\d/.test(name) || rows.of.has(layerOf(name));
  const shownAs = (name) => (isShown(name) ? name : rows.gaps.find((gap) => gap.first <= layerOf(name) && layerOf(name) <= gap.last).id);

  // Edges from and to layers without a row, as one for each two ends; what stays within a gap isn't drawn.
  function merged(edges) {
    const found = new Map();
    for (const edge of edges) {
      const [from, to] = [shownAs(edge.from), shownAs(edge.to)];
      if (from === edge.from && to === edge.to) found.set(edge.number, edge);
      else if (from !== to) {
        const key = `${from}→${to}`;
        const { score = 0, count = 0 } = found.get(key) || {};
        const fed = isGap(to) ? [to] : edge.fed;
        found.set(key, { ...edge, number: key, name: key, from, to, fed, score: score + edge.score, count: count + 1 });
      }
    }
    return [...found.values()];
  }

  // Gaps that edges come from or go to are drawn, the others only named.
  function shownNodes(edges) {
    const gaps = new Set(edges.flatMap((edge) => [edge.from, edge.to]).filter(isGap));
    return [...explorer.graph.nodes.filter(isShown), ...gaps];
  }

  function measure() {
    const right = explorer.graph.n_heads + 0.2 + 0.45 * Math.min(rows.top + 1, 12) ** 0.7;
    const width = Math.max(300, box.clientWidth);
    const column = (width - MARGIN.left - MARGIN.right) / (right + 0.55);
    const row = rows.top > explorer.FEW_LAYERS ? Math.max(32, Math.min(40, column)) : Math.max(56, Math.min(80, column));
    const height = Math.round(MARGIN.top + MARGIN.bottom + row * (rows.top + 1.25));
    return { width, height, column, row };
  }

  const at = ({ x, y }) => ({
    x: MARGIN.left + (x + 0.45) * scale.column,
    y: scale.height - MARGIN.bottom - (y + 1.1) * scale.row,
  });

  // The point that pulls an edge aside, given as cytoscape wants it: along the straight line, and away from it.
  function bend(edge) {
    const [s, e, m] = [place(edge.from), place(edge.to), middle(edge)].map(at);
    const pull = { x: 2 * m.x - (s.x + e.x) / 2 - s.x, y: 2 * m.y - (s.y + e.y) / 2 - s.y };
    const line = { x: e.x - s.x, y: e.y - s.y };
    const length = Math.hypot(line.x, line.y) || 1;
    return {
      weight: (pull.x * line.x + pull.y * line.y) / length ** 2,
      distance: (-pull.x * line.y + pull.y * line.x) / length,
    };
  }

  const css = (name) => getComputedStyle(box).getPropertyValue(name).trim();

  explorer.kindOf = (name, classes) => {
    if (name === "embed") return "embed";
    if (name === "logits") return "logits";
    if (name.startsWith("m") || isGap(name)) return "mlp";
    const letter = classes?.[explorer.headNumber(name)];
    return letter in explorer.beginning.kinds ? `kind-${letter}` : "plain";
  };
  explorer.headNumber = (name) => {
    const [, l, h] = name.match(/^a(\d+)\.h(\d+)$/);
    return Number(l) * explorer.graph.n_heads + Number(h);
  };
  const colorOf = (kind) => css(`--kcx-${kind}`) || css("--kcx-plain");

  function style() {
    return [
      {
        selector: "node",
        style: {
          width: "data(size)",
          height: "data(size)",
          shape: "data(shape)",
          "background-color": (node) => colorOf(node.data("kind")),
          "background-opacity": (node) => (node.data("used") ? 1 : 0.22),
          "border-width": 0,
          events: "no",
        },
      },
      {
        selector: "edge",
        style: {
          "curve-style": "unbundled-bezier",
          "control-point-distances": "data(distance)",
          "control-point-weights": "data(weight)",
          "edge-distances": "node-position",
          width: "data(width)",
          "line-color": (edge) => css(`--kcx-edge-${edge.data("part")}`),
          "line-style": "data(line)",
          "line-dash-pattern": [5, 4],
          opacity: "data(opacity)",
          "overlay-opacity": 0,
        },
      },
      { selector: "edge.faded", style: { opacity: 0.07 } },
      { selector: "edge.lit", style: { "line-color": () => css("--kcx-accent"), opacity: 0.95, "z-index": 9 } },
      { selector: "edge.lit[part != 'one']", style: { "line-color": (e) => css(`--kcx-edge-${e.data("part")}`) } },
      {
        selector: "edge.pointed",
        style: { "line-color": () => css("--kcx-accent"), opacity: 1, width: (e) => e.data("width") + 1.5, "z-index": 10 },
      },
    ];
  }

  function nodeData(name, strengths, classes) {
    const most = Math.max(...strengths.values(), 1e-9);
    const used = strengths.has(name);
    const unit = Math.min(scale.column, scale.row * 1.1, 62);
    const share = used ? Math.sqrt(strengths.get(name) / most) : 0;
    const fixed = name === "embed" || name === "logits";
    const size = used ? unit * (fixed ? 0.26 : 0.16 + 0.24 * share) : 5;
    const kind = explorer.kindOf(name, classes);
    const shape = fixed ? "diamond" : kind === "mlp" ? "round-rectangle" : "ellipse";
    return { id: name, size, kind, used, shape };
  }

  function edgeData(edge, part, most) {
    const share = Math.sqrt(Math.abs(edge.score) / most);
    const faint = part === "both" ? 0.35 : 0.3;
    return {
      id: `e${edge.number}`,
      source: edge.from,
      target: edge.to,
      part,
      ...bend(edge),
      width: 0.8 + 4.4 * share,
      opacity: faint + 0.55 * share,
      line: edge.score < 0 ? "dashed" : "solid",
      edge,
    };
  }

  // parts: {one: edges}, or {both, a, b}; classes: a letter for each head, or nothing.
  explorer.draw = (whole, classes, mode) => {
    if (!box) prepare();
    rows = stack(Object.values(whole).flat(), classes, mode);
    const parts = Object.fromEntries(Object.entries(whole).map(([part, list]) => [part, merged(list)]));
    drawn = { whole, parts, classes, mode };
    scale = measure();
    box.style.height = `${scale.height}px`;
    const order = Object.entries(parts);
    const edges = order.flatMap(([, list]) => list);
    const strengths = explorer.strengths(edges);
    const most = Math.max(...edges.map((edge) => Math.abs(edge.score)), 1e-9);
    const nodes = shownNodes(edges).map((name) => ({
      group: "nodes",
      data: nodeData(name, strengths, classes),
      position: at(place(name)),
    }));
    const lines = order.flatMap(([part, list]) =>
      [...list].reverse().map((edge) => ({ group: "edges", data: edgeData(edge, part, most) })),
    );
    cy.batch(() => {
      cy.elements().remove();
      cy.add([...nodes, ...marks(edges), ...lines]);
    });
    cy.resize();
    cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
    cy.userPanningEnabled(false);
    cy.style(style());
    label(nodes, strengths, classes, edges);
  };

  // Where heads share keys and values, edges end at a mark below them.
  function marks(edges) {
    const names = new Set(edges.filter((edge) => edge.fed.length > 1).map((edge) => edge.to));
    const data = (name) => ({ id: name, size: 4, kind: "plain", used: true, shape: "triangle" });
    return [...names].map((name) => ({ group: "nodes", data: data(name), position: at(place(name)) }));
  }

  function prepare() {
    box = document.querySelector(".kcx-picture");
    layer = box.querySelector(".kcx-over");
    cy = cytoscape({
      container: box.querySelector(".kcx-canvas"),
      layout: { name: "preset" },
      userZoomingEnabled: false,
      userPanningEnabled: false,
      boxSelectionEnabled: false,
      autoungrabify: true,
      autounselectify: true,
      minZoom: 1,
      maxZoom: 4,
    });
    cy.on("mouseover tap", "edge", (event) => point(event.target, event.renderedPosition));
    cy.on("mouseout", "edge", () => unpoint());
    box.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && unpoint());
    cy.on("tap", (event) => event.target === cy && listeners.nothing?.());
    cy.on("viewport", () => {
      const { x, y } = cy.pan();
      layer.style.transform = `translate(${x}px, ${y}px) scale(${cy.zoom()})`;
    });
    new MutationObserver(() => cy.style(style())).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (!box.clientWidth || Math.abs(box.clientWidth - width) < 2) return;
      width = box.clientWidth;
      explorer.draw(drawn.whole, drawn.classes, drawn.mode);
      listeners.redrawn?.();
    }).observe(box);
  }

  // The buttons: a row for each layer, so that arrow keys find their way.
  function label(nodes, strengths, classes, edges) {
    const focused = layer.contains(document.activeElement) && document.activeElement.dataset.node;
    const strongest = [...strengths.entries()].sort((a, b) => b[1] - a[1]).slice(0, scale.column > 50 && scale.row > 50 ? 14 : scale.column > 50 ? 20 : 0);
    const named = new Set(strongest.map(([name]) => name));
    const made = nodes.filter(({ data }) => !isGap(data.id)).map(({ data, position }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "kcx-node";
      button.dataset.node = data.id;
      button.tabIndex = -1;
      const reach = Math.min(scale.column * 0.8, Math.max(24, data.size + 8));
      button.style.cssText = `left:${position.x}px;top:${position.y}px;width:${reach}px;height:${reach}px`;
      const count = edges.filter((edge) => explorer.touches(edge, data.id)).length;
      const kind = { plain: "no class", mlp: "MLP", embed: "source", logits: "reader" }[data.kind] || explorer.beginning.kinds[data.kind.slice(5)][0];
      button.setAttribute("aria-label", `${data.id}, ${kind}, ${count} ${count === 1 ? "edge" : "edges"}`);
      const always = ["embed", "logits"].includes(data.id) || (data.used && data.kind === "mlp");
      if (named.has(data.id) || always) {
        const text = document.createElement("span");
        text.textContent = data.id;
        text.className = data.kind === "mlp" || always ? "kcx-beside" : "kcx-under";
        text.style.setProperty("--half", `${data.size / 2}px`);
        button.append(text);
      }
      return button;
    });
    layer.replaceChildren(...axes(), ...made);
    layer.style.transform = "none";
    rove(focused || "logits", Boolean(focused));
  }

  function axes() {
    const { n_heads } = explorer.graph;
    const labels = [...rows.of.keys()].map((n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "kcx-row";
      button.dataset.node = `layer-${n}`;
      button.tabIndex = -1;
      button.textContent = `layer ${n}`;
      button.style.top = `${at(place(`a${n}.h0`)).y}px`;
      button.setAttribute("aria-label", `layer ${n}, show the lens`);
      return button;
    });
    const columns = Array.from({ length: n_heads }, (_, n) => {
      const text = document.createElement("span");
      text.className = "kcx-column";
      text.textContent = `h${n}`;
      const foot = at({ x: n, y: -0.55 });
      text.style.left = `${foot.x}px`;
      text.style.top = `${foot.y}px`;
      text.setAttribute("aria-hidden", "true");
      return text;
    });
    return [...labels, ...rows.gaps.map(gap), ...columns];
  }

  // Layers without a row of their own: a button that shows all layers.
  function gap({ id, first, last, y }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "kcx-row kcx-gap";
    button.dataset.node = id;
    button.tabIndex = -1;
    button.textContent = first === last ? `${first}` : `${first}–${last}`;
    const count = explorer.drawnEdges().filter((edge) => explorer.touches(edge, id)).length;
    const holds = count ? "no head with a class" : "no edge of this circuit";
    button.title = `Layers with ${holds}; show all`;
    button.setAttribute("aria-label", `layers ${first} to ${last} have ${holds}, show all layers`);
    button.style.top = `${at({ x: 0, y }).y}px`;
    return button;
  }

  const buttons = () => [...layer.querySelectorAll("button")];
  const button = (name) => layer.querySelector(`button[data-node="${CSS.escape(name)}"]`);

  function rove(name, focus = true) {
    for (const one of buttons()) one.tabIndex = one.dataset.node === name ? 0 : -1;
    if (focus) button(name)?.focus({ preventScroll: true });
  }

  // The rows of the grid from below: embed, layer 0's label and heads and its MLP, ..., a gap, ..., logits.
  function grid() {
    const { n_heads } = explorer.graph;
    const heads = (n) => Array.from({ length: n_heads }, (_, h) => `a${n}.h${h}`);
    const layers = [...rows.of].map(([n, y]) => [y, [`layer-${n}`, ...heads(n), `m${n}`]]);
    const gaps = rows.gaps.map(({ id, y }) => [y, [id]]);
    const order = [...layers, ...gaps].sort((a, b) => a[0] - b[0]);
    return [["embed"], ...order.map(([, names]) => names), ["logits"]];
  }

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };

  explorer.step = (name, key) => {
    const layers = grid();
    const row = layers.findIndex((names) => names.includes(name));
    const [up, right] = STEPS[key];
    const next = layers[Math.max(0, Math.min(layers.length - 1, row + up))];
    const column = isGap(name) ? 0 : layers[row].length === 1 ? Infinity : layers[row].indexOf(name);
    return next[Math.max(0, Math.min(next.length - 1, up ? column : layers[row].indexOf(name) + right))];
  };
  explorer.focusNode = (name) => rove(name);
  explorer.drawnEdges = () => Object.values(drawn.parts).flat();

  // Show which edges belong to a part; the others step back.
  explorer.light = (name) => {
    cy.edges().removeClass("lit faded pointed");
    const own = cy.edges().filter((one) => name && explorer.touches(one.data("edge"), name));
    if (!own.length) return;
    cy.edges().not(own).addClass("faded");
    own.addClass("lit");
  };
  explorer.mark = (name) => {
    for (const one of buttons()) one.toggleAttribute("data-open", one.dataset.node === name);
  };

  function point(edge, position) {
    cy.edges().removeClass("pointed");
    edge.addClass("pointed");
    listeners.edge?.(edge.data("edge"), edge.data("part"), position);
  }
  function unpoint() {
    cy?.edges().removeClass("pointed");
    listeners.edge?.(null);
  }
  explorer.pointAt = (number) => {
    const edge = cy.getElementById(`e${number}`);
    edge.length ? point(edge, edge.renderedMidpoint()) : unpoint();
  };
  explorer.unpoint = unpoint;

  const PAN = 60;
  explorer.pan = (key) => {
    const [up, right] = STEPS[key];
    if (cy.zoom() > 1.01) cy.panBy({ x: -PAN * right, y: PAN * up });
  };

  explorer.zoom = (factor) => {
    const level = factor ? Math.max(1, Math.min(4, cy.zoom() * factor)) : 1;
    cy.userPanningEnabled(level > 1.01);
    if (level <= 1.01) cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
    else cy.zoom({ level, renderedPosition: { x: scale.width / 2, y: scale.height / 2 } });
  };
})();
