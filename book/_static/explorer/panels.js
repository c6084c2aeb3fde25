// What stands beside the picture: the strongest parts, a head, a layer's lens; and the table of all edges.
(() => {
  const explorer = window.kcExplorer;
  const RULES = [
    ["attends to the subject", "share"],
    ["attends to the other words", "share"],
    ["brings the answer from the subject", "logits"],
    ["has an effect by what it brings from the subject", "logits"],
    ["brings the answer's type from the other words", "logits"],
  ];
  const MEANINGS = {
    mover: "attends to the subject, and what it brings from there names the answer or has an effect",
    relation: "attends to the other words, and what it brings from there names the type of answer",
    mixture: "does what a mover does and what a relation head does",
    "previous token": "attends to the token before",
    "duplicate token": "attends to the earlier occurrence of its token",
    induction: "attends to the token after the earlier occurrence of its own",
    "S-inhibition": "attends to the second mention of the subject, and helps through later queries",
    "name mover": "attends to the indirect object, and writes it",
    "negative name mover": "attends to the indirect object, and writes against it",
    "backup name mover": "writes the indirect object when the name movers are cut",
    "no class": "meets neither the rule of a mover nor that of a relation head",
  };

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  explorer.make = make;
  explorer.dot = (kind) => make("i", { class: `kcx-dot${kind === "mlp" ? " kcx-mlp" : ""}`, style: `background: var(--kcx-${kind})` });

  const percent = (value) => `${Math.round(100 * value)} %`;
  const number = (value) => (value === null ? "never" : value.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−"));
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value) < 0.095 ? Math.abs(value).toPrecision(1) : Math.abs(value).toFixed(1)}`;
  explorer.percent = percent;
  explorer.signed = signed;

  const word = (text) => make("span", { class: "kcx-word" }, text.trim() || "␣");
  const link = (name, text = name) =>
    make("button", { type: "button", class: "kcx-link", onclick: () => explorer.choose({ show: name }) }, text);

  // What is shown when nothing is opened: where most of the scores run.
  explorer.overview = (circuit, view) => {
    const strengths = [...explorer.strengths(circuit.edges).entries()].sort((a, b) => b[1] - a[1]);
    const most = strengths[0][1];
    const parts = strengths.filter(([name]) => !["embed", "logits"].includes(name)).slice(0, 7);
    const rows = parts.map(([name, value]) =>
      make(
        "li",
        {},
        explorer.dot(explorer.kindOf(name, view.classes)),
        link(name),
        make("span", { class: "kcx-quiet" }, said(view.entry, name)),
        make("span", { class: "kcx-bar", style: `--share:${(value / most).toFixed(3)}` }),
      ),
    );
    return [
      make("h2", {}, "Strongest parts"),
      make("p", { class: "kcx-quiet" }, "By the scores of their edges, with the words that they write at the last token."),
      make("ol", { class: "kcx-parts" }, ...rows),
    ];
  };

  const said = (entry, name) => wordsOf(entry, name).filter((text) => text !== "(byte)").slice(0, 2).map((text) => text.trim()).join(", ");
  const wordsOf = (entry, name) => entry.words[explorer.graph.sources.indexOf(name)] || [];

  const top = (title, edit) =>
    make(
      "div",
      { class: "kcx-panel-top" },
      make("h2", { tabindex: "-1" }, title),
      make("button", { type: "button", class: "kcx-close", "aria-label": "Close", onclick: () => edit({ show: "" }) }, "×"),
    );

  explorer.headPanel = (name, view, state) => {
    const { entry, heads, headsOf, own } = view;
    const place = explorer.headNumber(name);
    const kind = explorer.beginning.kinds[heads.classes[place]]?.[0] || "no class";
    const skill = !heads.measured;
    const elsewhere = own ? "" : ` (in sentences about ${headsOf.replaceAll("_", " ")}, unedited)`;
    const prompt = chosenPrompt(entry, state);
    return [
      top(`${name}: ${kind}`, explorer.choose),
      make("p", {}, `${kind === "no class" ? "It" : `A ${kind === "relation" ? "relation head" : kind}`} ${skill && kind === "no class" ? "meets none of the rules for heads of skills" : MEANINGS[kind]}${elsewhere}.`),
      skill ? null : rules(heads, place),
      make("h3", {}, "Where it looks"),
      promptChoice(entry, state),
      attention(prompt, name),
      ...words(entry, name),
      ...ownEdges(name, view.circuit),
    ];
  };

  function rules(heads, place) {
    const rows = RULES.map(([what, unit], i) => {
      const value = heads.measured[place][i];
      const needed = heads.needed[i];
      const met = needed !== null && value >= needed;
      const show = (v) => (unit === "share" && v !== null ? percent(v) : number(v));
      return make(
        "tr",
        { class: met ? "kcx-met" : "" },
        make("td", {}, what),
        make("td", {}, show(value)),
        make("td", {}, show(needed)),
        make("td", { "aria-label": met ? "yes" : "no" }, met ? "✓" : ""),
      );
    });
    const head = make("tr", {}, ...["means over 20 prompts", "is", "needs", "met"].map((text) => make("th", {}, text)));
    return make("table", { class: "kcx-rules" }, make("thead", {}, head), make("tbody", {}, ...rows));
  }

  const chosenPrompt = (entry, state) => entry.prompts[Math.min(entry.prompts.length, Math.max(1, Number(state.prompt) || 1)) - 1];

  function promptChoice(entry, state) {
    if (entry.prompts.length === 1) return null;
    const chosen = entry.prompts.indexOf(chosenPrompt(entry, state));
    const options = entry.prompts.map((prompt, i) =>
      make("option", { value: String(i + 1), ...(i === chosen ? { selected: "" } : {}) }, `${prompt.text} … ${prompt.answer}`),
    );
    const choice = make("select", { "aria-label": "Prompt", id: "kcx-prompt" }, ...options);
    choice.addEventListener("change", () => explorer.choose({ prompt: choice.value }));
    return choice;
  }

  // A grid of squares: a row for each token that looks, a column for each token that is looked at.
  function attention(prompt, name) {
    const rows = explorer.attention(prompt, name);
    const tokens = prompt.tokens.map((token) => token.trim() || "␣");
    const many = tokens.length > 12;
    const body = rows.map((row, i) => {
      const cells = tokens.map((token, j) => {
        if (j > i) return make("td", { class: "kcx-none" });
        const title = `${tokens[i]} looks at ${token}: ${percent(row[j])}`;
        const shown = !many && row[j] >= 0.095 ? String(Math.round(100 * row[j])) : "";
        return make("td", { style: `--share:${row[j].toFixed(3)}`, title }, shown);
      });
      return make("tr", {}, make("th", { scope: "row" }, tokens[i]), ...cells);
    });
    const head = make("tr", {}, make("td"), ...tokens.map((token) => make("th", { scope: "col" }, make("span", {}, token))));
    const last = rows.at(-1);
    const best = last.indexOf(Math.max(...last));
    const twice = tokens.indexOf(tokens[best]) !== tokens.lastIndexOf(tokens[best]);
    const where = best === last.length - 1 ? "itself" : `“${tokens[best]}”${twice ? ` (token ${best + 1})` : ""}`;
    const caption = `From the last token, “${tokens.at(-1)}”, it looks most at ${where}: ${percent(last[best])}. Rows look at columns; numbers in per cent.`;
    const kind = `kcx-attention${many ? " kcx-many" : ""}`;
    const table = make("table", { class: kind }, make("thead", {}, head), make("tbody", {}, ...body));
    const scroll = make("div", { class: "kcx-scroll", tabindex: "0", role: "region", "aria-label": `Attention of ${name}` }, table);
    return make("div", {}, make("p", { class: "kcx-quiet" }, caption), scroll);
  }

  function words(entry, name) {
    const own = wordsOf(entry, name);
    if (!own.length) return [];
    return [
      make("h3", {}, "Words it writes at the last token"),
      make("p", { class: "kcx-words" }, ...own.map(word)),
    ];
  }

  function ownEdges(name, circuit) {
    const own = circuit.edges.filter((edge) => explorer.touches(edge, name));
    if (!own.length) return [make("p", { class: "kcx-quiet" }, "No edge of this circuit touches it.")];
    const rows = own.slice(0, 6).map((edge) =>
      make("li", {}, make("code", {}, edge.name), make("span", {}, signed(edge.score)), make("span", { class: "kcx-quiet" }, `rank ${edge.rank}`)),
    );
    const rest = own.length > 6 ? make("p", { class: "kcx-quiet" }, `and ${own.length - 6} more, in the table below`) : null;
    return [make("h3", {}, `Its edges here: ${own.length}`), make("ul", { class: "kcx-edges" }, ...rows), rest];
  }

  // The lens: what the model would say if it stopped there, at each token; late stops on top, as in the picture.
  explorer.layerPanel = (name, view, state) => {
    const { entry } = view;
    const prompt = chosenPrompt(entry, state);
    const { stops } = explorer.index;
    const mine = lensRows(name, stops);
    const detail = make("div", { class: "kcx-detail", "aria-live": "polite" });
    const table = lens(prompt, entry, mine, detail);
    const own = name.startsWith("layer-") || name === "logits" ? [] : [...words(entry, name), ...ownEdges(name, view.circuit)];
    const titles = { embed: "The embedding", logits: "The end" };
    const title = titles[name] || (name.startsWith("m") ? `${name}: the MLP of layer ${name.slice(1)}` : `Layer ${name.slice(6)}`);
    return [
      top(title, explorer.choose),
      make("p", {}, `What the model would say if it stopped there (the logit lens). The darker, the likelier the answer “${prompt.answer}”.`),
      promptChoice(entry, state),
      make("div", { class: "kcx-scroll", tabindex: "0", role: "region", "aria-label": "Logit lens" }, table),
      detail,
      ...own,
    ];
  };

  function lensRows(name, stops) {
    if (name === "embed") return ["embed"];
    if (name === "logits") return [stops.at(-1)];
    const layer = name.replace(/\D+/, "");
    return name.startsWith("m") ? [`m${layer}`] : [`a${layer}`, `m${layer}`];
  }

  function lens(prompt, entry, mine, detail) {
    const { stops } = explorer.index;
    const body = stops.map((stop, s) => {
      const cells = prompt.tokens.map((_, t) => {
        const share = prompt.answer_p[s][t];
        const best = entry.vocabulary[prompt.top[s][t][0]].trim() || "␣";
        const show = () => explain(detail, prompt, entry, s, t);
        const cell = make("button", { type: "button", onclick: show, onfocus: show, onpointerenter: show }, best);
        return make("td", { style: `--share:${share}` }, cell);
      });
      return make("tr", { class: mine.includes(stop) ? "kcx-mine" : "" }, make("th", { scope: "row" }, stop), ...cells);
    });
    const head = make("tr", {}, make("td"), ...prompt.tokens.map((token) => make("th", { scope: "col" }, token.trim() || "␣")));
    explain(detail, prompt, entry, stops.indexOf(mine.at(-1)), prompt.tokens.length - 1);
    return make("table", { class: "kcx-lens" }, make("thead", {}, head), make("tbody", {}, ...body.reverse()));
  }

  function explain(detail, prompt, entry, stop, token) {
    const where = explorer.index.stops[stop] === "embed" ? "the embedding" : explorer.index.stops[stop];
    const at = prompt.tokens[token].trim() || "␣";
    detail.replaceChildren(
      make("p", {}, `Behind ${where}, at “${at}”: the answer has ${percent(prompt.answer_p[stop][token])}. Likeliest:`),
      make("p", { class: "kcx-words" }, ...prompt.top[stop][token].map((place) => word(entry.vocabulary[place]))),
    );
  }

  // All edges as a table: the same as the picture, for whoever reads or copies it.
  explorer.edgeTable = (rows, columns) => {
    const head = make("tr", {}, ...columns.map((text) => make("th", { scope: "col" }, text)));
    const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, String(cell)))));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  };
})();
