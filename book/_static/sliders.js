// A slider that plotly draws takes neither keys nor a finger's width. Each gets a native one in its place, which does the
// same steps; without this script plotly's own remains. Called by figures.js for each figure that it has drawn.
(() => {
  const METHODS = ["animate", "relayout", "restyle", "update"];

  const native = (figure, slider, steps) => {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const range = document.createElement("input");
    const told = document.createElement("output");
    const tell = () => {
      told.textContent = steps[range.value].label;
      range.setAttribute("aria-valuetext", steps[range.value].label);
    };
    label.className = "kc-slider";
    name.textContent = slider.currentvalue?.prefix || "shown:";
    Object.assign(range, { type: "range", min: 0, max: steps.length - 1, step: 1 });
    range.value = slider.active || 0;
    range.addEventListener("input", () => {
      const step = steps[range.value];
      tell();
      Plotly[step.method](figure, ...structuredClone(step.args));
    });
    tell();
    label.append(name, range, told);
    return label;
  };

  window.kcSliders = async (figure) => {
    for (const [number, slider] of (figure.layout.sliders || []).entries()) {
      const steps = slider.steps.filter((step) => step.visible !== false);
      if (!steps.length || !steps.every((step) => METHODS.includes(step.method))) continue;
      figure.parentElement.before(native(figure, slider, steps));
      await Plotly.relayout(figure, { [`sliders[${number}].visible`]: false });
    }
  };
})();
