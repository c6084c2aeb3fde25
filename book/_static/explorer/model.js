// The explorer's data: scripts that are loaded when they are asked for, the names of edges, and circuits made of them.
// Scripts and not fetch(): a page that was opened from disk may load nothing else.
(() => {
  const explorer = (window.kcExplorer = window.kcExplorer || {});
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const waiting = new Map();
  const entries = new Map();
  const models = new Map();

  explorer.add = (key, entry) => entries.set(key, entry);

  function insert(name) {
    if (!waiting.has(name)) {
      waiting.set(
        name,
        new Promise((done, failed) => {
          const script = document.createElement("script");
          script.src = `${base}data/${encodeURI(name)}.js`;
          script.onload = done;
          script.onerror = () => {
            waiting.delete(name);
            failed(new Error(`The data of ${name} could not be loaded. Reload the page to try again.`));
          };
          document.head.append(script);
        }),
      );
    }
    return waiting.get(name);
  }

  explorer.load = async (id) => {
    const key = `${explorer.index.model}/${id}`;
    if (!entries.has(key)) await insert(key);
    return entries.get(key);
  };

  explorer.loadBeginning = async () => {
    explorer.start = (beginning) => (explorer.beginning = beginning);
    explorer.open = (index) => models.set(index.model, prepared(index));
    await insert("index");
  };

  explorer.loadModel = async (model) => {
    if (!models.has(model)) await insert(`${model}/index`);
    return models.get(model);
  };

  // From now on the page is about this model.
  explorer.useModel = (found) => Object.assign(explorer, found);

  function prepared(index) {
    index.byId = new Map(index.entries.map((line) => [line.id, line]));
    return { index, graph: makeGraph(index.graph) };
  }

  // Edges are numbered reader by reader; a reader sees the first `visible` sources, and feeds those from `feeds`.
  function makeGraph({ n_layers, n_heads, n_groups, sources, readers, visible, feeds }) {
    const first = [0];
    for (const count of visible) first.push(first.at(-1) + count);
    const numberOf = (reader, source) => first[reader] + source;
    const edge = (number) => {
      let reader = 0;
      while (first[reader + 1] <= number) reader++;
      const source = number - first[reader];
      const fed = sources.slice(...feeds[reader]);
      const to = nodeOf(readers[reader]);
      return { number, reader, source, name: `${sources[source]}→${readers[reader]}`, from: sources[source], to, fed };
    };
    const total = first.at(-1);
    return { n_layers, n_heads, n_groups, sources, readers, edge, numberOf, total, nodes: [...sources, "logits"] };
  }

  const nodeOf = (reader) => reader.replace(/<.>$/, "");

  // Whether an edge leaves a part or ends there; keys and values that heads share end at each of them.
  explorer.touches = (edge, node) => edge.from === node || edge.to === node || edge.fed.includes(node);

  // A circuit: the first edges of a search, with rank and score.
  explorer.circuitOf = (found, label) => {
    const place = placeOf(found, label);
    const size = found.sizes[place];
    const edges = found.edges.slice(0, size).map((number, i) => ({
      ...explorer.graph.edge(number),
      score: found.scores[i],
    }));
    const ranked = [...edges].sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
    ranked.forEach((edge, i) => (edge.rank = i + 1));
    const numbers = ["kept", "low", "high", "random"].map((name) => [name, found[name][place]]);
    return { edges: ranked, size, ...Object.fromEntries(numbers) };
  };

  const placeOf = (found, label) => Math.max(0, explorer.sizeLabels(found).indexOf(label));

  // Sizes by what the address calls them: a number of edges, `keep` or, for a search that gives one circuit, `own`.
  explorer.sizeLabels = (found) => {
    if (found.sizes.length === 1) return ["own"];
    return found.sizes.map((size) => (size === found.keep ? "keep" : String(size)));
  };

  // How much goes through each part: the sum of the amounts of the scores of its edges.
  explorer.strengths = (edges) => {
    const total = new Map();
    const writing = new Set(edges.map((edge) => edge.from));
    for (const edge of edges) {
      const ends = edge.fed.length > 1 ? edge.fed.filter((head) => writing.has(head)) : [edge.to];
      for (const node of [edge.from, ...ends]) total.set(node, (total.get(node) || 0) + Math.abs(edge.score));
    }
    return total;
  };

  explorer.compare = (first, second) => {
    const own = new Set(first.edges.map((edge) => edge.number));
    const other = new Map(second.edges.map((edge) => [edge.number, edge]));
    const shared = first.edges.filter((edge) => other.has(edge.number));
    const parts = {
      a: first.edges.filter((edge) => !other.has(edge.number)),
      both: shared.map((edge) => ({ ...edge, second: other.get(edge.number).score })),
      b: second.edges.filter((edge) => !own.has(edge.number)),
    };
    const union = parts.a.length + parts.both.length + parts.b.length;
    return { ...parts, jaccard: parts.both.length / union, ...chance(first, second) };
  };

  // The overlap with circuits drawn blindly, and with the second circuit when its heads change places in each layer.
  function chance(first, second) {
    const { total } = explorer.graph;
    const shared = (first.size * second.size) / total;
    const own = new Set(first.edges.map((edge) => edge.number));
    const random = generator(1);
    const draws = 20;
    let sum = 0;
    for (let draw = 0; draw < draws; draw++) {
      const moved = relabelled(second.edges, random);
      const both = moved.filter((number) => own.has(number)).length;
      sum += both / (first.size + second.size - both);
    }
    return { blind: shared / (first.size + second.size - shared), relabelled: sum / draws };
  }

  // With shared keys and values, groups change places, and heads within their group.
  function relabelled(edges, random) {
    const { n_layers, n_heads, n_groups, sources, readers, numberOf } = explorer.graph;
    const width = n_heads / n_groups;
    const groups = Array.from({ length: n_layers }, () => shuffled(n_groups, random));
    const within = Array.from({ length: n_layers * n_groups }, () => shuffled(width, random));
    const head = (l, h) => {
      const group = Math.floor(h / width);
      return groups[l][group] * width + within[l * n_groups + group][h % width];
    };
    const renamed = (name) =>
      name
        .replace(/^a(\d+)\.h(\d+)/, (_, l, h) => `a${l}.h${head(Number(l), Number(h))}`)
        .replace(/^a(\d+)\.kv(\d+)/, (_, l, g) => `a${l}.kv${groups[l][g]}`);
    return edges.map((edge) => numberOf(readers.indexOf(renamed(readers[edge.reader])), sources.indexOf(renamed(edge.from))));
  }

  function shuffled(n, random) {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  // A small generator with a seed, so that the page says the same on every visit.
  function generator(seed) {
    let state = seed;
    return () => (state = (state * 48271) % 2147483647) / 2147483647;
  }

  // The attention of one head, row by row; keys that a row can't see are left out.
  explorer.attention = (prompt, head) => {
    const bytes = (prompt.bytes = prompt.bytes || Uint8Array.from(atob(prompt.attention), (c) => c.charCodeAt(0)));
    const size = prompt.tokens.length;
    const { n_heads } = explorer.graph;
    const [, layer, number] = head.match(/^a(\d+)\.h(\d+)$/);
    let at = (Number(layer) * n_heads + Number(number)) * ((size * (size + 1)) / 2);
    return prompt.tokens.map((_, row) => Array.from({ length: row + 1 }, () => bytes[at++] / 255));
  };
})();
