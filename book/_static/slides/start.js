// Start reveal.js; go on with long tables and lists on further slides; draw a slide's figures when it is shown, as large as it allows; shrink text that doesn't fit.
(() => {
  const LARGEST = 1.45; // a figure's letters are at most this much larger than in the book
  const TALL = 0.6; // a tall figure may lose two fifths of its height before its letters shrink
  const PICTURE = 640; // pixels: the width of an attention picture or a table

  const fitPlot = (slot, box) => {
    const [wide, high] = [slot.clientWidth, slot.clientHeight];
    const wanted = parseInt(box.style.height, 10) || 400;
    const height = Math.max(high / LARGEST, wanted > high ? Math.max(high, TALL * wanted) : wanted);
    const scale = high / height;
    Object.assign(box.style, { width: `${wide / scale}px`, height: `${height}px`, transform: `scale(${scale})` });
    return [wide / scale, height];
  };

  const fitPicture = (slot, card) => {
    card.style.width = `${PICTURE}px`;
    const scale = Math.min(slot.clientWidth / PICTURE, slot.clientHeight / card.scrollHeight, 1.8);
    const left = (slot.clientWidth - PICTURE * scale) / 2;
    card.style.transform = `translateX(${left}px) scale(${scale})`;
  };

  const draw = (slide) => {
    const slot = slide.querySelector(".kc-slot");
    if (!slot || slot.dataset.drawn) return;
    slot.dataset.drawn = "yes";
    const plot = slot.querySelector(".plotly-graph-div");
    if (plot) {
      const box = plot.parentElement;
      kcDrawings.get(plot.id)?.(box, ...fitPlot(slot, box));
      return;
    }
    const card = slot.querySelector(".kc-figure");
    slot.querySelectorAll('[id^="circuits-vis-"]').forEach((each) => kcDrawings.get(each.id)?.());
    new ResizeObserver(() => fitPicture(slot, card)).observe(card);
  };

  const fitText = (slide) => {
    const body = slide.querySelector(".kc-body");
    if (!body) return;
    for (let size = 100; size >= 60 && body.scrollHeight > body.clientHeight + 1; size -= 4)
      body.style.fontSize = `${size}%`;
  };

  const shown = (slide) => {
    if (!slide) return;
    document.fonts.ready.then(() => {
      fitText(slide);
      draw(slide);
    });
  };

  // Each group of rows or points that fits on a slide gets a slide of its own.
  const grouped = (all, most, letters) => {
    const groups = [];
    for (const one of all) {
      const last = groups.at(-1);
      const length = last ? [...last, one].reduce((sum, each) => sum + each.textContent.length, 0) : 0;
      if (!last || last.length === most || length > letters) groups.push([one]);
      else last.push(one);
    }
    return groups;
  };
  const goOn = (slide) => {
    const rows = slide.querySelectorAll("tbody > tr");
    const groups = rows.length ? grouped(rows, 7, 620) : grouped(slide.querySelectorAll("ul > li"), 6, 560);
    if (groups.length < 2) return;
    const parts = groups.map(() => slide.cloneNode(true));
    parts.forEach((part, n) => {
      part.querySelector("tbody, ul").replaceChildren(...groups[n]);
      part.querySelector("h2").insertAdjacentHTML("beforeend", ` <small>${n + 1} of ${groups.length}</small>`);
    });
    slide.replaceWith(...parts);
  };
  document.querySelectorAll(".slides > .on-table, .slides > .on-text").forEach(goOn);

  Reveal.on("ready", (event) => {
    if (Reveal.isPrintView()) Reveal.getSlides().forEach(shown);
    shown(event.currentSlide);
  });
  Reveal.on("slidechanged", (event) => shown(event.currentSlide));
  Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0.03,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    scrollActivationWidth: null,
    plugins: [RevealNotes],
  });
})();
