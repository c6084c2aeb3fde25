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

  // Rows for layers, columns for heads; where parts stand and how edges bend comes with the data.
  const place = (name) => explorer.graph.places[name];

  function measure() {
    const { n_layers, right } = explorer.graph;
    const width = Math.max(300, box.clientWidth);
    const column = (width - MARGIN.left - MARGIN.right) / (right + 0.55);
    const row = Math.max(56, Math.min(80, column));
    const height = Math.round(MARGIN.top + MARGIN.bottom + row * (n_layers + 1.25));
    return { width, height, column, row };
  }

  const at = ({ x, y }) => ({
    x: MARGIN.left + (x + 0.45) * scale.column,
    y: scale.height - MARGIN.bottom - (y + 1.1) * scale.row,
  });

  // The point that pulls an edge aside, given as cytoscape wants it: along the straight line, and away from it.
  function bend(edge) {
    const [s, e, m] = [place(edge.from), place(edge.to), edge.middle].map(at);
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
    if (name.startsWith("m")) return "mlp";
    return { m: "mover", r: "relation", x: "mixture" }[classes?.[explorer.headNumber(name)]] || "plain";
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
    const unit = Math.min(scale.column, 62);
    const share = used ? Math.sqrt(strengths.get(name) / most) : 0;
    const fixed = name === "embed" || name === "logits";
    const size = used ? unit * (fixed ? 0.26 : 0.16 + 0.24 * share) : 5;
    const kind = explorer.kindOf(name, classes);
    const shape = fixed ? "diamond" : name.startsWith("m") ? "round-rectangle" : "ellipse";
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
  explorer.draw = (parts, classes) => {
    drawn = { parts, classes };
    if (!box) prepare();
    scale = measure();
    box.style.height = `${scale.height}px`;
    const order = Object.entries(parts);
    const edges = order.flatMap(([, list]) => list);
    const strengths = explorer.strengths(edges);
    const most = Math.max(...edges.map((edge) => Math.abs(edge.score)), 1e-9);
    const nodes = explorer.graph.nodes.map((name) => ({
      group: "nodes",
      data: nodeData(name, strengths, classes),
      position: at(place(name)),
    }));
    const lines = order.flatMap(([part, list]) =>
      [...list].reverse().map((edge) => ({ group: "edges", data: edgeData(edge, part, most) })),
    );
    cy.batch(() => {
      cy.elements().remove();
      cy.add([...nodes, ...lines]);
    });
    cy.resize();
    cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
    cy.userPanningEnabled(false);
    cy.style(style());
    label(nodes, strengths, classes, edges);
  };

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
      explorer.draw(drawn.parts, drawn.classes);
      listeners.redrawn?.();
    }).observe(box);
  }

  // The buttons: a row for each layer, so that arrow keys find their way.
  function label(nodes, strengths, classes, edges) {
    const focused = layer.contains(document.activeElement) && document.activeElement.dataset.node;
    const strongest = [...strengths.entries()].sort((a, b) => b[1] - a[1]).slice(0, scale.column > 50 ? 14 : 0);
    const named = new Set(strongest.map(([name]) => name));
    const made = nodes.map(({ data, position }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "kcx-node";
      button.dataset.node = data.id;
      button.tabIndex = -1;
      const reach = Math.min(scale.column * 0.8, Math.max(24, data.size + 8));
      button.style.cssText = `left:${position.x}px;top:${position.y}px;width:${reach}px;height:${reach}px`;
      const count = edges.filter((edge) => edge.from === data.id || edge.to === data.id).length;
      const kind = { plain: "no class", mlp: "MLP", embed: "source", logits: "reader" }[data.kind] || data.kind;
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
    const { n_layers, n_heads } = explorer.graph;
    const rows = Array.from({ length: n_layers }, (_, n) => {
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
      const head = at(place(`a0.h${n}`));
      text.style.left = `${head.x}px`;
      text.style.top = `${head.y + 0.55 * scale.row}px`;
      text.setAttribute("aria-hidden", "true");
      return text;
    });
    return [...rows, ...columns];
  }

  const buttons = () => [...layer.querySelectorAll("button")];
  const button = (name) => layer.querySelector(`button[data-node="${CSS.escape(name)}"]`);

  function rove(name, focus = true) {
    for (const one of buttons()) one.tabIndex = one.dataset.node === name ? 0 : -1;
    if (focus) button(name)?.focus({ preventScroll: true });
  }

  // The rows of the grid from below: embed, layer 0's label and heads and its MLP, ..., logits.
  function grid() {
    const { n_layers, n_heads } = explorer.graph;
    const rows = Array.from({ length: n_layers }, (_, n) => [
      `layer-${n}`,
      ...Array.from({ length: n_heads }, (_, h) => `a${n}.h${h}`),
      `m${n}`,
    ]);
    return [["embed"], ...rows, ["logits"]];
  }

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };

  explorer.step = (name, key) => {
    const rows = grid();
    const row = rows.findIndex((names) => names.includes(name));
    const [up, right] = STEPS[key];
    const next = rows[Math.max(0, Math.min(rows.length - 1, row + up))];
    const column = rows[row].length === 1 ? rows[1].length - 1 : rows[row].indexOf(name);
    return next[Math.max(0, Math.min(next.length - 1, up ? column : rows[row].indexOf(name) + right))];
  };
  explorer.focusNode = (name) => rove(name);

  // Show which edges belong to a part; the others step back.
  explorer.light = (name) => {
    cy.edges().removeClass("lit faded pointed");
    const own = cy.getElementById(name || "").connectedEdges();
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

  explorer.zoom = (factor) => {
    const level = factor ? Math.max(1, Math.min(4, cy.zoom() * factor)) : 1;
    cy.userPanningEnabled(level > 1.01);
    if (level <= 1.01) cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
    else cy.zoom({ level, renderedPosition: { x: scale.width / 2, y: scale.height / 2 } });
  };
})();
