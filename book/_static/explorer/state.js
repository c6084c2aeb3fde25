// What is chosen, read from the address and written to it. The address is the only place that keeps it.
(() => {
  const explorer = window.kcExplorer;
  const DEFAULTS = {
    model: "",
    relation: "country_capital",
    with: "",
    method: "eap_ig",
    ablation: "corrupt",
    size: "",
    show: "",
    layers: "",
    prompt: "1",
    side: "1",
  };
  explorer.METHODS = { eap_ig: "EAP-IG", eap: "EAP", acdc: "ACDC" };
  explorer.ABLATIONS = { corrupt: "corrupt prompt", zero: "zero", mean: "mean" };

  let last = {}; // a link to a heading of the page chooses nothing, and changes nothing

  function written() {
    if (location.hash.length > 1 && !location.hash.includes("=")) return last;
    const pairs = location.hash.slice(1).split("&").filter((part) => part.includes("="));
    const found = {};
    for (const part of pairs) {
      const at = part.indexOf("=");
      found[part.slice(0, at)] = safely(part.slice(at + 1));
    }
    last = found;
    return found;
  }

  function safely(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  // The model that the address asks for: the first, but an address from before there were two means Atlas.
  explorer.askedModel = () => {
    const asked = written();
    const { models } = explorer.beginning;
    if (models.some(({ id }) => id === asked.model)) return asked.model;
    return Object.keys(asked).length && !asked.model ? "atlas" : models[0].id;
  };

  // The choices, each one possible; `notes` says in sentences what was asked for and isn't there.
  explorer.readState = () => {
    const asked = written();
    const notes = [];
    const state = { ...DEFAULTS, size: explorer.index.size };
    for (const name of Object.keys(DEFAULTS)) if (asked[name] !== undefined) state[name] = asked[name];
    const unknown = Object.keys(asked).filter((name) => !(name in DEFAULTS));
    if (unknown.length) notes.push(`The address says “${unknown[0]}”, which means nothing here.`);
    if (asked.model && asked.model !== explorer.index.model) notes.push(`There is no model “${asked.model}” here.`);
    state.model = explorer.index.model;
    if (!["", "roles", "all"].includes(state.layers) || (state.layers === "roles" && state.with)) state.layers = "";
    checkQuestions(state, notes);
    checkSearch(state, notes);
    checkSize(state, notes);
    if (state.show && !shown(state.show)) {
      notes.push(`There is no part “${state.show}” in this model, so none is opened.`);
      state.show = "";
    }
    return { ...state, notes };
  };

  function checkQuestions(state, notes) {
    const { byId } = explorer.index;
    if (!byId.has(state.relation)) {
      notes.push(`There are no questions called “${state.relation}” here; these are capitals.`);
      state.relation = DEFAULTS.relation;
    }
    if (state.with && !byId.has(state.with)) {
      notes.push(`There are no questions called “${state.with}” to compare with.`);
      state.with = "";
    }
    if (!state.with || state.side !== "2") state.side = "1";
  }

  // The searches that all chosen questions have.
  explorer.searchesOf = (state) => {
    const lines = [state.relation, state.with].filter(Boolean).map((id) => explorer.index.byId.get(id));
    return Object.keys(lines[0].searches).filter((key) => lines.every((line) => key in line.searches));
  };

  function checkSearch(state, notes) {
    const possible = explorer.searchesOf(state);
    const asked = `${state.method}/${state.ablation}`;
    if (possible.includes(asked)) return;
    const same = possible.find((key) => key.startsWith(`${state.method}/`)) || possible[0];
    const [method, ablation] = same.split("/");
    const name = `${explorer.METHODS[state.method] || `“${state.method}”`} with ${
      explorer.ABLATIONS[state.ablation] || `“${state.ablation}”`
    }`;
    notes.push(
      `${name} was not searched here; shown is ${explorer.METHODS[method]} with ${explorer.ABLATIONS[ablation]}.`,
    );
    Object.assign(state, { method, ablation });
  }

  explorer.sizesOf = (state) => {
    const key = `${state.method}/${state.ablation}`;
    const lines = [state.relation, state.with].filter(Boolean).map((id) => explorer.index.byId.get(id).searches[key]);
    const labels = lines.map((found) => explorer.sizeLabels(found));
    return labels[0].filter((label) => labels.every((others) => others.includes(label)));
  };

  function checkSize(state, notes) {
    const possible = explorer.sizesOf(state);
    if (possible.includes(state.size)) return;
    const silent = possible[0] === "own" || ["own", "keep"].includes(state.size);
    if (!silent) notes.push(`There is no circuit of ${state.size} edges here; the sizes are ${possible.join(", ")}.`);
    state.size = possible.includes(explorer.index.size) ? explorer.index.size : possible[0];
  }

  const shown = (name) => /^layer-\d+$/.test(name)
    ? Number(name.slice(6)) < explorer.graph.n_layers
    : explorer.graph.nodes.includes(name);

  explorer.address = (state) => {
    const kept = Object.keys(DEFAULTS).filter((name) => state[name] && !(["prompt", "side"].includes(name) && state[name] === "1"));
    return `#${kept.map((name) => `${name}=${encodeURIComponent(state[name])}`).join("&")}`;
  };

  explorer.goTo = (state) => {
    history.pushState(null, "", explorer.address(state));
    explorer.update();
  };

  // A choice becomes a new address; `quietly` without a step in the history (while a slider moves, for instance).
  explorer.choose = (change, quietly = false) => {
    const { notes, ...state } = explorer.readState();
    const address = explorer.address({ ...state, ...change });
    if (address === location.hash) return;
    history[quietly ? "replaceState" : "pushState"](null, "", address);
    explorer.update();
  };
})();
