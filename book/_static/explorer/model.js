// The explorer's data: scripts that are loaded when they are asked for, the names of edges, and circuits made of them.
// Scripts and not fetch(): a page that was opened from disk may load nothing else.
(() => {
  const explorer = (window.kcExplorer = window.kcExplorer || {});
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const waiting = new Map();
  const entries = new Map();

  explorer.add = (id, entry) => entries.set(id, entry);

  function insert(name) {
    if (!waiting.has(name)) {
      waiting.set(
        name,
        new Promise((done, failed) => {
          const script = document.createElement("script");
          script.src = `${base}data/${encodeURIComponent(name)}.js`;
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
    if (!entries.has(id)) await insert(id);
    return entries.get(id);
  };

  explorer.loadIndex = async () => {
    explorer.start = (index) => (explorer.index = index);
    await insert("index");
    explorer.index.byId = new Map(explorer.index.entries.map((line) => [line.id, line]));
    explorer.graph = makeGraph(explorer.index.graph, explorer.index.layout);
    return explorer.index;
  };

  // Edges are numbered reader by reader; a reader sees the first `visible` sources. The layout says where parts stand, and
  // by how much the middle of each edge lies beside the straight line.
  function makeGraph({ n_layers, n_heads, sources, readers, visible }, { places: given, bends, bent }) {
    const places = Object.fromEntries(Object.entries(given).map(([name, [x, y]]) => [name, { x, y }]));
    const edges = [];
    const numbers = new Map();
    visible.forEach((count, reader) => {
      for (let source = 0; source < count; source++) {
        const [from, to] = [sources[source], nodeOf(readers[reader])];
        const [x, y] = bends[bent[edges.length]];
        const middle = { x: (places[from].x + places[to].x) / 2 + x, y: (places[from].y + places[to].y) / 2 + y };
        numbers.set(reader * sources.length + source, edges.length);
        edges.push({ reader, source, name: `${from}→${readers[reader]}`, from, to, middle });
      }
    });
    const right = Math.max(...edges.map((edge) => edge.middle.x));
    return { n_layers, n_heads, sources, readers, edges, numbers, places, right, nodes: [...sources, "logits"] };
  }

  const nodeOf = (reader) => reader.replace(/<.>$/, "");

  // A circuit: the first edges of a search, with rank and score.
  explorer.circuitOf = (found, label) => {
    const place = placeOf(found, label);
    const size = found.sizes[place];
    const edges = found.edges.slice(0, size).map((number, i) => ({
      ...explorer.graph.edges[number],
      number,
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
    for (const edge of edges) {
      for (const node of [edge.from, edge.to]) total.set(node, (total.get(node) || 0) + Math.abs(edge.score));
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
    const total = explorer.graph.edges.length;
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

  function relabelled(edges, random) {
    const { n_layers, n_heads, sources, readers, numbers } = explorer.graph;
    const orders = Array.from({ length: n_layers }, () => shuffled(n_heads, random));
    const renamed = (name) => name.replace(/^a(\d+)\.h(\d+)/, (_, l, h) => `a${l}.h${orders[l][h]}`);
    return edges.map((edge) => {
      const reader = readers.indexOf(renamed(readers[edge.reader]));
      return numbers.get(reader * sources.length + sources.indexOf(renamed(edge.from)));
    });
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
