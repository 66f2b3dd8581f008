"use strict";
// Draws the plots of a page, and the curves and tables that its choices ask for.
(() => {
  const { element, load } = mlpperf;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly reads a little HTML in texts.
  const plain = (text) =>
    String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // --- plots, in the colours of the page ---------------------------------------------------------

  const drawn = new Map(); // from an element to its figure
  const axis = (given) => ({
    gridcolor: style("--line"), zerolinecolor: style("--line"), linecolor: style("--line"), ...given,
  });
  // From much faster to much slower.
  const differences = () => ["--faster-4", "--faster-2", "--same", "--slower-2", "--slower-4"].map(
    (name, i) => [i / 4, style(name)]);
  function draw(place, figure) {
    drawn.set(place, figure);
    const narrow = place.clientWidth < 560;
    const layout = {
      margin: { l: 60, r: 20, t: 40, b: 60 }, hovermode: "closest",
      colorway: style("--lines").split(/\s+/), paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", ...figure.layout,
      font: { color: style("--ink"), family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
    };
    layout.xaxis = axis(layout.xaxis);
    layout.yaxis = axis(layout.yaxis);
    // Lines of one name have one colour.
    for (const trace of figure.data) {
      if (trace.type === "icicle") {
        trace.marker = { ...trace.marker, colorscale: differences(),
          line: { width: 1, color: style("--paper") } };
      }
      if (trace.meta !== undefined) {
        trace.line = { ...trace.line, color: layout.colorway[trace.meta % layout.colorway.length] };
      }
    }
    for (const shape of layout.shapes || []) shape.line = { ...shape.line, color: style("--quiet") };
    return Plotly.react(place, figure.data, layout, { responsive: true, displaylogo: false,
      displayModeBar: false });
  }
  const redraw = () => { for (const [place, figure] of drawn) if (place.isConnected) draw(place, figure); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // What cannot be seen yet is drawn when it comes near, or is printed.
  const waiting = new Map();
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) start(target);
  }, { rootMargin: "600px" });
  function start(place) {
    const figure = waiting.get(place);
    waiting.delete(place);
    seen.unobserve(place);
    if (figure) draw(place, figure);
  }
  function later(place, figure) {
    waiting.set(place, figure);
    seen.observe(place);
  }
  addEventListener("beforeprint", () => { for (const place of [...waiting.keys()]) start(place); });

  // --- the history of a path ---------------------------------------------------------------------

  const TITLES = { seconds: "time of a call", ratio: "time ÷ time of the reference",
    bytes: "bytes that a call allocates", "peak bytes": "peak memory in bytes" };
  function panel(commits, curves, quantity) {
    const used = [...new Set(curves.flatMap((curve) => curve.at))].sort((a, b) => a - b);
    const place = new Map(used.map((commit, i) => [commit, i]));
    const colours = style("--lines").split(/\s+/);
    const data = [], shapes = [], annotations = [];
    curves.forEach((curve, i) => {
      const colour = colours[i % colours.length];
      const x = curve.at.map((commit) => place.get(commit));
      const name = plain(curve.variant || curve.quantity);
      if (curve.low && curve.low.every((low) => low !== null)) {
        data.push({ type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip",
          showlegend: false, legendgroup: name, opacity: 0.25, line: { width: 0 },
          fillcolor: colour, x: [...x, ...x.toReversed()],
          y: [...curve.high, ...curve.low.toReversed()] });
      }
      data.push({ type: "scatter", mode: x.length > 150 ? "lines" : "lines+markers", name,
        legendgroup: name, line: { color: colour, width: 1.5 }, marker: { size: 5 }, x, y: curve.value,
        customdata: curve.at.map((commit) => {
          const [hash, date, subject] = commits[commit];
          return [plain(hash.slice(0, 10)), date, plain(subject), hash];
        }),
        hovertemplate: "%{y:.4g}<br>%{customdata[0]} %{customdata[1]}<br>%{customdata[2]}" +
          `<extra>${name}</extra>` });
      for (const change of curve.changes || []) {
        const at = place.get(change.at) - 0.5;
        shapes.push({ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper",
          line: { dash: "dot", width: 1 } });
        annotations.push({ x: at, y: 1, yref: "paper", yanchor: "bottom", showarrow: false,
          text: plain(change.text), font: { size: 10 } });
      }
    });
    const step = Math.max(1, Math.ceil(used.length / 8));
    const ticks = used.map((_, i) => i).filter((i) => i % step === 0);
    return { data, layout: { height: 340, shapes, annotations: annotations.slice(0, 12),
      legend: { orientation: "h", y: -0.35 }, margin: { l: 70, r: 20, t: 40, b: 70 },
      xaxis: { tickvals: ticks, ticktext: ticks.map((i) => commits[used[i]][1]),
        range: [-0.7, used.length - 0.3] },
      yaxis: { title: { text: plain(TITLES[quantity] || quantity), standoff: 10 }, rangemode: "normal",
        ticksuffix: quantity === "seconds" ? "s" : "", automargin: true } } };
  }
  function show(box, { commits, curves }) {
    const wanted = Object.fromEntries([...box.querySelectorAll("select")]
      .map((select) => [select.dataset.choice, select.value]));
    const chosen = curves.filter((curve) => curve.quantity === wanted.quantity &&
      curve.case === wanted.case && (!wanted.variant || curve.variant === wanted.variant));
    const panels = box.querySelector(".panels");
    panels.replaceChildren();
    for (const where of new Set(chosen.map((curve) => curve.place))) {
      const here = chosen.filter((curve) => curve.place === where);
      const plot = element("div", undefined, { class: "plot", role: "img", "aria-label":
        `${wanted.quantity} at ${wanted.case} over the commits; the data files have it in figures` });
      panels.append(element("h3", where), plot);
      later(plot, panel(commits, here, wanted.quantity));
    }
    if (!chosen.length) panels.append(element("p", "Nothing was measured of this choice."));
  }
  const url = document.body.dataset.commits;
  for (const box of document.querySelectorAll(".curves")) {
    load(box.dataset.file).then((content) => {
      box.addEventListener("change", () => show(box, content));
      // Of the choices that there are, one that has something to show.
      const first = content.curves.find((curve) => curve.case === box.querySelector("[data-choice=case]").value)
        || content.curves[0];
      box.querySelector("[data-choice=case]").value = first.case;
      if (!content.curves.some((curve) => curve.case === first.case &&
        curve.quantity === box.querySelector("[data-choice=quantity]").value)) {
        box.querySelector("[data-choice=quantity]").value = first.quantity;
      }
      show(box, content);
    }).catch(() => box.querySelector(".panels").append(
      element("p", "The data file of this history is missing; build the report again.")));
  }

  // --- two commits -------------------------------------------------------------------------------

  for (const box of document.querySelectorAll(".commits")) {
    const result = box.querySelector(".result");
    const side = (name) => box.querySelector(`[data-side=${name}]`).value;
    const update = async () => {
      const older = side("older"), newer = side("newer");
      result.replaceChildren(element("p", "Reading …"));
      const both = [];
      try {
        for (const file of box.dataset.files.split(" ").filter(Boolean)) {
          const { path, commits, curves } = await load(file);
          const [a, b] = [older, newer].map((hash) => commits.findIndex(([known]) => known === hash));
          for (const curve of curves) {
            const [i, j] = [curve.at.indexOf(a), curve.at.indexOf(b)];
            if (i < 0 || j < 0 || !curve.value[i]) continue;
            const apart = curve.low && (curve.low[j] > curve.high[i] || curve.high[j] < curve.low[i]);
            both.push({ path, curve, ratio: curve.value[j] / curve.value[i], apart });
          }
        }
      } catch {
        result.replaceChildren(element("p", "A data file is missing; build the report again."));
        return;
      }
      if (side("older") !== older || side("newer") !== newer) return; // chosen anew meanwhile
      if (!both.length) {
        result.replaceChildren(element("p", "Nothing was measured of both commits."));
        return;
      }
      both.sort((x, y) => y.ratio - x.ratio);
      const table = element("table");
      table.append(element("caption", `${both.length} numbers of both, newer ÷ older, worst first`));
      const head = element("tr");
      const columns = ["benchmark", "variant", "case", "what", "where", "newer ÷ older", "intervals"];
      for (const column of columns) head.append(element("th", column, { scope: "col" }));
      table.append(element("thead"), element("tbody"));
      table.tHead.append(head);
      for (const { path, curve, ratio, apart } of both.slice(0, 500)) {
        const row = element("tr");
        row.append(element("th", path, { scope: "row" }));
        for (const text of [curve.variant, curve.case, curve.quantity, curve.place]) {
          row.append(element("td", text));
        }
        row.append(element("td", `${ratio.toPrecision(3)}×`, { class: "number" }));
        row.append(element("td", apart ? "apart" : curve.low ? "overlap" : "none"));
        table.tBodies[0].append(row);
      }
      const scroll = element("div", undefined, { class: "scroll", role: "region", tabindex: "0",
        "aria-label": "the two commits" });
      scroll.append(table);
      result.replaceChildren(scroll);
      if (both.length > 500) result.append(element("p", "The 500 that became worst are shown."));
    };
    box.addEventListener("change", update);
    update();
  }

  Object.assign(mlpperf, { plain, later }); // for scripts that draw other plots

  // --- now ---------------------------------------------------------------------------------------

  for (const place of document.querySelectorAll("figure > .plot")) {
    later(place, JSON.parse(place.nextElementSibling.textContent));
  }
  document.addEventListener("click", (event) => {
    const plot = event.target.closest(".panels .plot");
    const point = plot && plot._hoverdata && plot._hoverdata[0];
    if (point && point.customdata && url) open(url + encodeURIComponent(point.customdata[3]));
  });
})();
