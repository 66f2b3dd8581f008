"use strict";
// Draws the level of a benchmark over the commits. A page has the numbers; all pages share the file
// of the commits, from which a point shows hash, date, author and message.
(() => {
  const { plain, load, later } = window.mlpperf;

  // A value for each commit from the places where it changes; between them it stays.
  const everywhere = (commits, at, values) => {
    let corner = 0;
    return commits.map((_, place) => {
      while (corner + 1 < at.length && at[corner + 1] <= place) corner += 1;
      return values[corner];
    });
  };

  function figure(every, { lines, dots, steps }, width) {
    const commits = every.slice(0, lines[0].at.at(-1) + 1); // the later ones were not compared yet
    const about = (place) => {
      const [hash, date, author, subject] = commits[place];
      return [hash.slice(0, 10), date, author, subject].map(plain).concat(hash);
    };
    const text = "%{customdata[0]} %{customdata[1]} %{customdata[2]}<br>%{customdata[3]}";
    const places = commits.map((_, place) => place);
    const data = lines.flatMap(({ name, at, level, low, high }, number) => {
      const shared = { type: "scatter", mode: "lines", x: places, legendgroup: name, meta: number };
      const edge = { ...shared, hoverinfo: "skip", showlegend: false,
        line: { width: 0, shape: "hvh" }, opacity: 0.4 };
      return [
        { ...edge, y: everywhere(commits, at, low) },
        { ...edge, y: everywhere(commits, at, high), fill: "tonexty" },
        { ...shared, name: plain(name), y: everywhere(commits, at, level),
          line: { width: 2, shape: "hvh" }, customdata: places.map(about),
          hovertemplate: `%{y:+.2f} %<br>${text}<extra></extra>` },
      ];
    });
    data.push({ type: "scatter", mode: "markers", meta: 1,
      name: "each commit by its own comparisons, with 95 % intervals", x: dots.at, y: dots.level,
      error_y: { array: dots.half, thickness: 1, width: 0 }, marker: { size: 5 },
      customdata: dots.at.map((place, i) => [...about(place), dots.half[i]]),
      hovertemplate: `%{y:+.2f} % ± %{customdata[5]:.2f}<br>${text}<extra></extra>` });
    const count = Math.min(width < 560 ? 3 : 7, commits.length);
    const ticks = [...new Set(Array.from({ length: count }, (_, i) =>
      Math.round(i * (commits.length - 1) / Math.max(count - 1, 1))))];
    return { data, layout: { height: 380, margin: { l: 60, r: 45, t: 50, b: 90 },
      legend: { orientation: "h", y: 0, yref: "container", yanchor: "bottom" },
      xaxis: { tickvals: ticks, ticktext: ticks.map((place) => commits[place][1]),
        range: [-0.7, commits.length - 0.3] },
      yaxis: { title: { text: "% relative to the newest compared" }, zeroline: true, automargin: true },
      shapes: steps.map(({ at }) => ({ type: "line", x0: at - 0.5, x1: at - 0.5, y0: 0, y1: 1,
        yref: "paper", line: { dash: "dot", width: 1.5 } })),
      annotations: steps.filter((step) => step.text).map((step) => ({ x: step.at - 0.5, y: 1,
        yref: "paper", yanchor: "bottom", showarrow: false, text: step.href
          ? `<a href="${encodeURI(step.href)}" target="_self">${plain(step.text)}</a>`
          : plain(step.text) })) } };
  }

  for (const box of document.querySelectorAll(".level")) {
    const place = box.querySelector(".plot");
    load(box.dataset.file).then((commits) => {
      later(place, figure(commits, JSON.parse(box.dataset.level), box.clientWidth));
    }).catch(() => {
      place.textContent = "The data file of the commits is missing; build the report again.";
    });
  }
})();
