"use strict";
// The map: a row for each benchmark, coloured by its time of a call at each commit.
(() => {
  const { element, load, choices, words, contains } = mlpperf;
  const PART = 60; // rows that are drawn at first
  const LIMITS = [0.5, 2, 5, 15]; // percent from which a colour is stronger
  const percent = (value) => `${value > 0 ? "+" : value < 0 ? "-" : ""}${Math.abs(value).toFixed(1)} %`;
  function colour(value) {
    if (value === null) return "transparent";
    const strength = LIMITS.filter((limit) => Math.abs(value) >= limit).length;
    return strength ? `var(--${value > 0 ? "slower" : "faster"}-${strength})` : "var(--same)";
  }
  const ORDERS = {
    "largest change": (a, b) => Math.abs(b.now) - Math.abs(a.now),
    "newest change": (a, b) => b.newest - a.newest,
    "longest call": (a, b) => b.seconds - a.seconds,
    "least known": (a, b) => a.known - b.known || b.within - a.within,
    name: () => 0, // the order that they have anyway
  };
  const STATES = {
    slower: (row) => row.known && row.changed && row.now > 0,
    faster: (row) => row.known && row.changed && row.now < 0,
    unchanged: (row) => row.known && !row.changed,
    "not known well": (row) => !row.known,
  };

  function start(box, { commits, rows }) {
    const readout = box.querySelector(".readout"), more = box.querySelector("button");
    const usual = readout.textContent;
    const table = element("table"), body = element("tbody");
    const [first, last] = [commits[0], commits.at(-1)];
    const head = element("tr");
    const titles = ["benchmark", `${first[1]} to ${last[1]}`, "now",
      "exact to", "a call"];
    titles.forEach((title, i) => head.append(element("th", title,
      { scope: "col", class: ["name", "strip", "number", "number extra", "number extra"][i] })));
    table.append(element("caption", "Time of a call relative to the first commit"), element("thead"), body);
    table.tHead.append(head);
    box.querySelector(".rows").replaceChildren(legend(), table);
    for (const row of rows) {
      row.text = `${row.name} ${row.suite} ${row.machine}`.toLowerCase();
      row.now = row.levels.findLast(([, value]) => value !== null)?.[1] ?? 0;
      row.newest = Math.max(-1, ...row.steps.map(([at]) => at));
      row.changed = row.steps.length > 0;
    }
    rows.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const at = (number) => `${(100 * number / commits.length).toFixed(3)}%`;

    function drawn(row) {
      const made = element("tr"), name = element("th", undefined, { scope: "row", class: "name" });
      name.append(row.page ? element("a", row.name, { href: row.page }) : element("span", row.name));
      name.firstChild.title = row.name;
      if (row.machine) name.append(element("small", row.machine));
      const cell = element("td", undefined, { class: "strip" }), strip = element("div");
      const stops = row.levels.map(([start, value], i) => {
        const end = row.levels[i + 1]?.[0] ?? commits.length;
        return `${colour(value)} ${at(start)} ${at(end)}`;
      });
      strip.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
      for (const [place, change] of row.steps) {
        const [short, date, subject, page] = commits[place];
        const size = `${change > 0 ? "slower" : "faster"} by ${Math.abs(change).toFixed(1)} %`;
        const mark = element(page ? "a" : "span", undefined,
          page ? { href: page, "aria-label": `${size} at ${short}, ${date}, ${subject}` } : {});
        mark.className = change > 0 ? "mark slower" : "mark faster";
        mark.style.left = at(place + 0.5);
        strip.append(mark);
      }
      strip.row = row;
      cell.append(strip);
      made.append(name, cell, element("td", row.changed ? percent(row.now) : row.known ? "0" : "?", { class: "number" }),
        element("td", row.within ? `±${row.within < 10 ? row.within.toFixed(1) : row.within.toFixed(0)} %` : "–",
          { class: "number extra" }),
        element("td", row.call, { class: "number extra" }));
      if (!row.known) made.className = "unknown";
      return made;
    }
    function legend() {
      const made = element("p", undefined, { class: "legend" });
      const add = (value, text) => {
        const entry = element("span"), swatch = element("span", undefined, { class: "swatch" });
        swatch.style.background = colour(value);
        entry.append(swatch, text);
        made.append(entry);
      };
      add(-15, "15 % faster or more"); add(-5, "5 %"); add(-2, "2 %"); add(-0.5, "0.5 %"); add(0, "the same");
      add(0.5, "0.5 %"); add(2, "2 %"); add(5, "5 %"); add(15, "15 % slower or more");
      return made;
    }

    let shown = [];
    const extend = (number) => {
      const until = body.children.length + number;
      body.append(...shown.slice(body.children.length, until).map(drawn));
      more.hidden = until >= shown.length;
    };
    choices(box.querySelector(".choices"), "map", (wanted) => {
      const asked = words(wanted.text);
      shown = rows.filter((row) => contains(row.text, asked) &&
        (!wanted.change || STATES[wanted.change]?.(row)) && (!wanted.suite || row.suite === wanted.suite) &&
        (!wanted.machine || !row.machine || row.machine === wanted.machine));
      const order = ORDERS[wanted.sort] ?? ORDERS.name;
      // What is not known well is apart, below what is.
      shown.sort((a, b) => (wanted.sort === "least known" ? 0 : b.known - a.known) || order(a, b));
      body.replaceChildren();
      extend(PART);
      box.querySelector("output").textContent = `${shown.length} of ${rows.length} shown`;
    });
    more.addEventListener("click", () => extend(4 * PART));
    body.addEventListener("pointermove", (event) => {
      const strip = event.target.closest(".strip > div");
      if (!strip) { readout.textContent = usual; return; }
      const { left, width } = strip.getBoundingClientRect();
      const place = Math.max(0, Math.min(commits.length - 1, Math.floor((event.clientX - left) / width * commits.length)));
      const [, value] = strip.row.levels.findLast(([from]) => from <= place);
      const [short, date, subject] = commits[place];
      const level = value === null ? "not measured" : `${percent(value)} relative to ${first[0]}`;
      readout.textContent = `${level} at ${short}, ${date}, ${subject}`;
    });
  }

  for (const box of document.querySelectorAll(".map")) {
    load(box.dataset.file).then((content) => start(box, content)).catch(() =>
      box.querySelector(".rows").replaceChildren(
        element("p", "The data file of this map is missing; build the report again.")));
  }
})();
