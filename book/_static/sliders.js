// A slider that plotly draws takes neither keys nor a finger's width. Each gets a native one in its place, which does the same
// steps; without this script plotly's own remains.
(() => {
  const METHODS = ["animate", "relayout", "restyle", "update"];
  const replace = (figure) => {
    const sliders = figure.layout && figure.layout.sliders;
    if (!sliders || figure.kcSliders) return;
    figure.kcSliders = true;
    const home = figure.closest(".plotly-graph-div").parentElement;
    sliders.forEach((slider, number) => {
      const steps = slider.steps.filter((step) => step.visible !== false);
      if (!steps.length || !steps.every((step) => METHODS.includes(step.method))) return;
      const prefix = (slider.currentvalue && slider.currentvalue.prefix) || "";
      const label = document.createElement("label");
      label.className = "kc-slider";
      const name = document.createElement("span");
      name.textContent = prefix || "shown:";
      const range = document.createElement("input");
      Object.assign(range, { type: "range", min: 0, max: steps.length - 1, step: 1, value: slider.active || 0 });
      const told = document.createElement("output");
      const tell = () => {
        told.textContent = steps[range.value].label;
        range.setAttribute("aria-valuetext", steps[range.value].label);
      };
      range.addEventListener("input", () => {
        tell();
        const step = steps[range.value];
        Plotly[step.method](figure, ...step.args);
      });
      tell();
      label.append(name, range, told);
      home.before(label);
      Plotly.relayout(figure, { [`sliders[${number}].visible`]: false });
    });
  };
  const drawn = window.kcPlot;
  window.kcPlot = (...figure) =>
    drawn(...figure).then((result) => {
      const element = typeof figure[0] === "string" ? document.getElementById(figure[0]) : figure[0];
      replace(element);
      return result;
    });
})();
