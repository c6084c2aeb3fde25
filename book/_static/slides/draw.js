// Figures wait here until their slide is shown: what is drawn on a hidden slide has no size.
window.kcDrawings = new Map();
window.kcPlot = (id, data, layout, config) =>
  new Promise((done) => {
    kcDrawings.set(id, (box, width, height) =>
      document.fonts
        .load('14px "Source Sans 3"')
        .catch(() => null)
        .then(() =>
          Plotly.newPlot(id, data, { ...layout, width, height, autosize: false }, { ...config, responsive: false })
        )
        .then(done)
    );
  });
if (window.CircuitsVis) {
  const { render } = CircuitsVis;
  window.CircuitsVis = { ...CircuitsVis, render: (id, component, data) => kcDrawings.set(id, () => render(id, component, data)) };
}
window.MathJax = { options: { enableMenu: false } };
