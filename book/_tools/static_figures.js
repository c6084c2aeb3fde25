// Make a page ready for paper: wait until all is drawn, open what is folded, and show each figure that has a slider or
// a menu in several of its states, one below the other. Returns how many figures that were.
async (mostStates) => {
  // Wait until all is drawn; give up when nothing new was for 30 seconds.
  const drawn = (all, isDrawn) =>
    new Promise((resolve, reject) => {
      let begin = Date.now();
      let before = -1;
      const look = () => {
        const missing = all.filter((each) => !isDrawn(each));
        if (!missing.length) return resolve();
        if (missing.length !== before) begin = Date.now();
        before = missing.length;
        if (Date.now() - begin > 30000) {
          const page = missing[0].closest("article").querySelector("h1").textContent;
          reject(new Error(`a figure of ${page} isn't drawn`));
        } else setTimeout(look, 50);
      };
      look();
    });
  const spread = (list) => {
    const count = Math.min(mostStates, list.length);
    const place = (n) => Math.round((n * (list.length - 1)) / Math.max(1, count - 1));
    return [...new Set(Array.from({ length: count }, (_, n) => place(n)))].map((n) => list[n]);
  };

  // The states of a figure: what each step of its slider, or each button of its menu, is called and does.
  const statesOf = (layout) => {
    const slider = (layout.sliders || [])[0];
    const menu = (layout.updatemenus || [])[0];
    const prefix = slider && slider.currentvalue ? slider.currentvalue.prefix || "" : "";
    return spread((slider ? slider.steps : menu ? menu.buttons : []).filter((step) => step.visible !== false)).map(
      (step) => ({ name: prefix + step.label, method: step.method, args: step.args }),
    );
  };

  const showStates = async (graph) => {
    const frames = ((graph._transitionData || {})._frames || []).filter(Boolean);
    const plain = JSON.parse(JSON.stringify({ data: graph.data, layout: graph.layout }));
    const height = Math.round(0.75 * graph.clientHeight); // several have to fit on a sheet
    const box = document.createElement("div");
    box.className = "kc-states";
    graph.after(box);
    graph.parentElement.style.height = "auto"; // it has the height of one state
    for (const state of statesOf(graph.layout)) {
      const { data, layout } = JSON.parse(JSON.stringify(plain));
      delete layout.sliders;
      delete layout.updatemenus;
      const part = document.createElement("div");
      part.innerHTML = '<p class="kc-state"></p><div></div>';
      part.firstChild.textContent = state.name.replace(/<[^>]*>/g, "");
      part.lastChild.style.height = `${height}px`;
      layout.height = height;
      box.append(part);
      await Plotly.newPlot(part.lastChild, data, layout, { staticPlot: true, responsive: true });
      if (frames.length) await Plotly.addFrames(part.lastChild, frames);
      if (state.method === "animate") {
        const now = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };
        await Plotly.animate(part.lastChild, state.args[0], now);
      } else if (state.method !== "skip") await Plotly[state.method](part.lastChild, ...state.args);
    }
    graph.remove();
  };

  await document.fonts.ready;
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  for (const details of document.querySelectorAll("details:not(.kc-data, .hide)")) details.open = true;
  for (const box of document.querySelectorAll(".toggle-hidden")) box.classList.remove("toggle-hidden");
  const plots = [...document.querySelectorAll(".plotly-graph-div")];
  await drawn(plots, (graph) => graph.querySelector(".main-svg"));
  await drawn([...document.querySelectorAll("[id^=circuits-vis-]")], (view) => view.childElementCount);
  const live = plots.filter((graph) => statesOf(graph.layout).length);
  for (const graph of live) await showStates(graph);
  return live.length;
}
