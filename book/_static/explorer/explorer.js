// The explorer: controls, summary, picture and panel, all made from the address (see state.js).
(() => {
  const explorer = window.kcExplorer;
  const GROUPS = {
    factual: "Factual",
    commonsense: "Commonsense",
    linguistic: "Linguistic",
    bias: "Bias",
    fiction: "Invented",
    composed: "Two steps",
    skill: "Skills",
    edit: "One fact, before and after an edit",
    list: "Lists: zero-shot and few-shot",
  };
  const PARTS = { one: "", a: "only first", both: "both", b: "only second" };
  let shown = null; // what the page shows: circuits, entries and state
  let turn = 0;
  let edgeAt = -1;

  const find = (selector) => document.querySelector(`#kc-explorer ${selector}`);

  document.addEventListener("DOMContentLoaded", async () => {
    if (!document.getElementById("kc-explorer")) return;
    try {
      await explorer.loadBeginning();
    } catch (error) {
      return say(error.message);
    }
    paint();
    const { models } = explorer.beginning;
    find("#kcx-model").replaceChildren(...models.map(({ id, label }) => explorer.make("option", { value: id }, label)));
    listen();
    addEventListener("hashchange", () => explorer.update());
    addEventListener("popstate", () => explorer.update());
    explorer.update();
  });

  // The colours mean what they mean in every figure of the book.
  function paint() {
    const { colors } = explorer.beginning;
    const named = { mlp: "mlp", embed: "sources", logits: "readers" };
    for (const [letter, [, color]] of Object.entries(explorer.beginning.kinds)) named[`kind-${letter}`] = color;
    const root = document.getElementById("kc-explorer");
    for (const [kind, name] of Object.entries(named)) root.style.setProperty(`--kcx-${kind}`, colors[name]);
    const parts = { one: "other", both: "other", a: "corrupt", b: "mover" };
    for (const [part, name] of Object.entries(parts)) root.style.setProperty(`--kcx-edge-${part}`, colors[name]);
  }

  function fillControls() {
    const { entries, couples } = explorer.index;
    const { make } = explorer;
    const present = new Set(entries.map((line) => line.group));
    const groups = [...new Set([...Object.keys(GROUPS), ...present])].filter((group) => present.has(group));
    const list = () =>
      groups.map((group) =>
        make(
          "optgroup",
          { label: GROUPS[group] || group },
          ...entries.filter((line) => line.group === group).map((line) => make("option", { value: line.id }, line.label)),
        ),
      );
    find("#kcx-relation").replaceChildren(...list());
    find("#kcx-with").replaceChildren(make("option", { value: "" }, "nothing: one circuit"), ...list());
    const ready = ["edit", "list"].map((kind) =>
      make(
        "optgroup",
        { label: kind === "edit" ? "Before and after an edit" : "Zero-shot and few-shot" },
        ...couples.filter((c) => c.kind === kind).map((c) => make("option", { value: `${c.a} ${c.b}` }, c.label)),
      ),
    );
    find("#kcx-couple").replaceChildren(make("option", { value: "" }, "choose …"), ...ready);
  }

  function listen() {
    find("#kcx-model").addEventListener("change", async (event) => {
      const model = event.target.value;
      const { index } = await explorer.loadModel(model);
      const { relation } = explorer.readState();
      explorer.goTo({ model, relation: index.byId.has(relation) ? relation : index.entries[0].id });
    });
    const select = (id, change) => find(id).addEventListener("change", (event) => explorer.choose(change(event.target.value)));
    select("#kcx-relation", (value) => ({ relation: value, with: partner(value), prompt: "1" }));
    select("#kcx-with", (value) => ({ with: value }));
    select("#kcx-method", (value) => ({ method: value, ablation: ablationFor(value) }));
    select("#kcx-ablation", (value) => ({ ablation: value }));
    find("#kcx-couple").addEventListener("change", (event) => {
      const [a, b] = event.target.value.split(" ");
      if (b) explorer.choose({ relation: a, with: b, prompt: "1" });
    });
    const size = find("#kcx-size");
    const label = () => explorer.sizesOf(explorer.readState())[Number(size.value)];
    size.addEventListener("input", () => explorer.choose({ size: label() }, true));
    find("#kcx-swap").addEventListener("click", () => {
      const state = explorer.readState();
      explorer.choose({ relation: state.with, with: state.relation });
    });
    select("#kcx-layers", (value) => ({ layers: value }));
    find("#kcx-help").addEventListener("click", help);
    find("#kcx-in").addEventListener("click", () => explorer.zoom(1.5));
    find("#kcx-out").addEventListener("click", () => explorer.zoom(1 / 1.5));
    find("#kcx-fit").addEventListener("click", () => explorer.zoom(0));
    explorer.onPicture("edge", showTip);
    explorer.onPicture("nothing", () => {
      explorer.unpoint();
      explorer.choose({ show: "" });
    });
    explorer.onPicture("redrawn", () => explorer.mark(explorer.readState().show));
    listenToPicture(find(".kcx-picture"));
    document.getElementById("kc-explorer").addEventListener("keydown", keys);
  }

  // Choosing one half of a couple while comparing brings the other half along.
  function partner(id) {
    const state = explorer.readState();
    if (!state.with) return "";
    const couple = explorer.index.couples.find((c) => c.a === id || c.b === id);
    return couple ? (couple.a === id ? couple.b : couple.a) : state.with;
  }

  function ablationFor(method) {
    const state = explorer.readState();
    const possible = explorer.searchesOf(state).filter((key) => key.startsWith(`${method}/`));
    const same = possible.includes(`${method}/${state.ablation}`);
    return same || !possible.length ? state.ablation : possible[0].split("/")[1];
  }

  function listenToPicture(box) {
    const name = (event) => event.target.closest?.("[data-node]")?.dataset.node;
    box.addEventListener("click", (event) => {
      const node = name(event);
      if (node?.startsWith("gap-")) explorer.choose({ layers: "all" });
      else if (node) explorer.choose({ show: node });
    });
    box.addEventListener("pointerover", (event) => name(event) && lightNode(name(event)));
    box.addEventListener("pointerout", (event) => name(event) && lightNode(explorer.readState().show));
    box.addEventListener("focusin", (event) => {
      edgeAt = -1;
      if (name(event)) lightNode(name(event));
    });
    box.addEventListener("focusout", () => {
      lightNode(explorer.readState().show);
      showTip(null);
    });
  }

  const lightNode = (name) => explorer.light(name);

  function keys(event) {
    if (event.key === "?" && !["INPUT", "SELECT"].includes(event.target.tagName)) return help();
    if (event.key === "Escape" && explorer.readState().show) {
      const open = explorer.readState().show;
      explorer.choose({ show: "" });
      explorer.focusNode(open);
      return;
    }
    const node = event.target.dataset?.node;
    if (!node) return;
    if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      if (event.shiftKey) explorer.pan(event.key);
      else explorer.focusNode(explorer.step(node, event.key));
    } else if (["+", "=", "-", "0"].includes(event.key)) explorer.zoom({ "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 }[event.key]);
    else if (event.key.toLowerCase() === "e") nextEdge(node, event.shiftKey ? -1 : 1);
  }

  function nextEdge(node, step) {
    const own = explorer.drawnEdges().filter((edge) => explorer.touches(edge, node));
    if (!own.length) return announce(`No edge of the circuit touches ${node}.`);
    edgeAt = (edgeAt + step + own.length) % own.length;
    explorer.pointAt(own[edgeAt].number);
    announce(edgeText(own[edgeAt]));
  }

  const edgeText = (edge) => (edge.score ? `${edge.name}, score ${explorer.signed(edge.score)}, ${rankText(edge)}` : edge.name);
  const rankText = (edge, size) => (edge.count ? `${edge.count} edges together` : `rank ${edge.rank}${size ? ` of ${size}` : ""}`);
  const announce = (text) => (find(".kcx-live").textContent = text);

  function showTip(edge, part, position) {
    const tip = find(".kcx-tip");
    tip.hidden = !edge;
    if (!edge) return;
    const { make, signed } = explorer;
    const second = edge.second === undefined ? "" : ` and ${signed(edge.second)}`;
    const where = { a: "only in the first", b: "only in the second", both: "in both" }[part];
    const size = (part === "b" ? shown.second : shown.first).size;
    const lines = edge.score ? [`score ${signed(edge.score)}${second}`, rankText(edge, size)] : ["no score"];
    tip.replaceChildren(make("code", {}, edge.name), make("span", {}, lines.join(", ")), where ? make("span", {}, where) : "");
    const room = find(".kcx-picture").clientWidth;
    tip.style.left = `${Math.max(90, Math.min(room - 90, position.x))}px`;
    tip.style.top = `${position.y}px`;
    tip.classList.toggle("kcx-below", position.y < 90);
  }

  function help() {
    const dialog = find("dialog");
    dialog.open ? dialog.close() : dialog.showModal();
  }

  explorer.update = async () => {
    const own = ++turn;
    let model;
    try {
      model = await explorer.loadModel(explorer.askedModel());
    } catch (error) {
      return say(error.message);
    }
    if (own !== turn) return;
    if (explorer.index !== model.index) {
      explorer.useModel(model);
      fillControls();
    }
    const state = explorer.readState();
    const ids = [state.relation, state.with].filter(Boolean);
    const lines = ids.map((id) => explorer.index.byId.get(id));
    let entries;
    let heads;
    try {
      entries = await Promise.all(ids.map(explorer.load));
      heads = await Promise.all(lines.map(async (line) => (await explorer.load(line.heads_of)).heads));
    } catch (error) {
      return say(error.message);
    }
    if (own === turn) render(state, lines, entries, heads);
  };

  function render(state, lines, entries, heads) {
    const key = `${state.method}/${state.ablation}`;
    const circuits = entries.map((entry) => explorer.circuitOf(entry.searches[key], state.size));
    const [first, second] = circuits;
    const compared = second ? explorer.compare(first, second) : null;
    const parts = compared ? { both: compared.both, a: compared.a, b: compared.b } : { one: first.edges };
    const classes = heads[0].classes;
    const before = shown;
    shown = { parts, first, second, state };
    controls(state);
    if (!before || pictureKey(before.state) !== pictureKey(state)) explorer.draw(parts, compared ? null : classes, state.layers);
    const side = state.side === "2" ? 1 : 0;
    const view = {
      entry: entries[side],
      heads: heads[side],
      headsOf: lines[side].heads_of,
      own: lines[side].id === lines[side].heads_of,
      circuit: circuits[side],
      classes: heads[side].classes,
    };
    summary(state, lines, circuits, compared);
    legend(compared, classes, first, second);
    panel(state, view, lines);
    if (before && state.show && before.state.show !== state.show) reveal();
    table(parts, compared);
    explorer.mark(state.show);
    explorer.light(state.show);
    document.getElementById("kc-explorer").dataset.ready = explorer.address(state);
  }

  const pictureKey = (state) => ["model", "layers", "relation", "with", "method", "ablation", "size"].map((name) => state[name]).join(" ");

  function controls(state) {
    const { make } = explorer;
    const possible = explorer.searchesOf(state).map((key) => key.split("/"));
    const fill = (id, names, value, all) => {
      const options = names.map((name) => make("option", { value: name }, all[name]));
      find(id).replaceChildren(...options);
      find(id).value = value;
      find(id).disabled = names.length < 2;
    };
    find("#kcx-model").value = state.model;
    find("#kcx-layers").closest("label").hidden = explorer.graph.n_layers <= explorer.FEW_LAYERS;
    find("#kcx-layers").value = state.layers;
    find("#kcx-layers option[value=roles]").disabled = Boolean(state.with); // two circuits have no classes in common
    find("#kcx-relation").value = state.relation;
    find("#kcx-with").value = state.with;
    find("#kcx-couple").value = explorer.index.couples.some((c) => c.a === state.relation && c.b === state.with)
      ? `${state.relation} ${state.with}`
      : "";
    find("#kcx-swap").hidden = !state.with;
    fill("#kcx-method", [...new Set(possible.map(([method]) => method))], state.method, explorer.METHODS);
    const ablations = possible.filter(([method]) => method === state.method).map(([, ablation]) => ablation);
    fill("#kcx-ablation", ablations, state.ablation, explorer.ABLATIONS);
    const sizes = explorer.sizesOf(state);
    const size = find("#kcx-size");
    size.max = String(sizes.length - 1);
    size.value = String(sizes.indexOf(state.size));
    size.disabled = sizes.length < 2;
    const text = sizeText(state);
    size.setAttribute("aria-valuetext", text);
    find("#kcx-size-text").textContent = text;
  }

  function sizeText(state) {
    if (state.with && ["keep", "own"].includes(state.size)) return `${shown.first.size} and ${shown.second.size} edges`;
    return `${shown.first.size} edges${state.size === "keep" ? " (the fewest that keep 90 % where they were found)" : ""}`;
  }

  function summary(state, lines, [first, second], compared) {
    const { make, percent } = explorer;
    const box = find(".kcx-summary");
    const notes = state.notes.map((text) => make("p", { class: "kcx-note" }, text));
    if (!compared) {
      const says = `${first.size} edges keep ${percent(first.kept)} of the answer.`;
      const chance = ` ${first.size} random edges keep ${percent(first.random)}.`;
      const range = ` (95 % interval ${Math.round(100 * first.low)} to ${percent(first.high)}, on prompts that the search has not seen)`;
      box.replaceChildren(
        make("p", { class: "kcx-says" }, make("strong", {}, says), chance),
        make("p", { class: "kcx-quiet" }, make("q", {}, lines[0].example), range),
        ...notes,
      );
      return;
    }
    const union = compared.both.length + compared.a.length + compared.b.length;
    const says = `${compared.both.length} of ${union} edges are in both circuits (${percent(compared.jaccard)}).`;
    const chance = ` By chance: ${percent(compared.blind)} with random edges, ${percent(compared.relabelled)} when the second's heads change places within their layers.`;
    const keeps = lines.map((line, i) => make("li", {}, make("i", { class: `kcx-line kcx-part-${i ? "b" : "a"}` }), make("q", {}, line.example), ` · ${[first, second][i].size} edges keep ${percent([first, second][i].kept)}, random ones ${percent([first, second][i].random)}`));
    box.replaceChildren(make("p", { class: "kcx-says" }, make("strong", {}, says), chance), make("ul", { class: "kcx-quiet" }, ...keeps), ...notes);
  }

  function legend(compared, classes, first, second) {
    const { make } = explorer;
    const item = (mark, text) => make("li", {}, mark, text);
    const { dot } = explorer;
    const line = (part) => make("i", { class: `kcx-line kcx-part-${part}` });
    const edges = [...first.edges, ...(second?.edges || [])];
    const negative = edges.some((edge) => edge.score < 0) ? [item(make("i", { class: "kcx-line kcx-dashed" }), "negative score")] : [];
    const present = Object.entries(explorer.beginning.kinds).filter(([letter]) => !compared && classes.includes(letter));
    const rest = item(dot("plain"), compared ? "head" : "other head");
    const heads = [...present.map(([letter, [text]]) => item(dot(`kind-${letter}`), text === "relation" ? "relation head" : text)), rest, item(dot("mlp"), "MLP")];
    const parts = compared
      ? [
          item(line("a"), `only first: ${compared.a.length}`),
          item(line("both"), `both: ${compared.both.length}`),
          item(line("b"), `only second: ${compared.b.length}`),
        ]
      : [];
    find(".kcx-legend").replaceChildren(...parts, ...heads, ...negative);
  }

  function panel(state, view, lines) {
    const box = find(".kcx-panel");
    const { show } = state;
    const content = !show
      ? explorer.overview(view.circuit, view)
      : show.includes(".h")
        ? explorer.headPanel(show, view, state)
        : explorer.layerPanel(show, view, state);
    box.replaceChildren(...(lines.length > 1 ? [sides(state, lines)] : []), ...content.filter(Boolean));
    // what is read off at the last token stands at the right, and in a grid of attention at the bottom
    for (const scroll of box.querySelectorAll(".kcx-scroll")) scroll.scrollTo(scroll.scrollWidth, scroll.scrollHeight);
  }

  // On a narrow page the panel stands below the picture: go there. Whoever listens is told.
  function reveal() {
    const box = find(".kcx-panel");
    announce(`${box.querySelector("h2").textContent}, opened after the picture.`);
    if (box.offsetTop > find(".kcx-left").offsetTop + 40) box.scrollIntoView({ block: "start" });
  }

  // Of two circuits, the panel is about one.
  function sides(state, lines) {
    const buttons = lines.map((line, i) => {
      const side = String(i + 1);
      const choose = () => explorer.choose({ side });
      const pressed = String(state.side === side);
      const mark = explorer.make("i", { class: `kcx-line kcx-part-${i ? "b" : "a"}` });
      return explorer.make("button", { type: "button", "aria-pressed": pressed, onclick: choose }, mark, line.label);
    });
    return explorer.make("div", { class: "kcx-sides", role: "group", "aria-label": "Details of" }, ...buttons);
  }

  function table(parts, compared) {
    const rows = Object.entries(parts).flatMap(([part, edges]) =>
      edges.map((edge) => [edge.rank, edge.name, explorer.signed(edge.score), ...(compared ? [PARTS[part]] : [])]),
    );
    rows.sort((a, b) => a[0] - b[0]);
    const columns = ["rank", "edge", "score", ...(compared ? ["in"] : [])];
    find(".kcx-table").replaceChildren(explorer.edgeTable(rows, columns));
  }

  function say(text) {
    find(".kcx-summary").replaceChildren(explorer.make("p", { class: "kcx-note" }, text));
  }
})();
