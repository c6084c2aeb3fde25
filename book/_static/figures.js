// Draw a plotly figure once the page's font is there: plotly measures its text when it draws.
window.kcPlot = (...figure) =>
  document.fonts
    .load('14px "Source Sans 3"')
    .catch(() => null)
    .then(() => Plotly.newPlot(...figure))
    .then((plot) => window.kcControls?.(plot));
