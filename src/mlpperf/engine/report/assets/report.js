"use strict";
// What every page can do: load data, search, and filter. Texts from records are only set as text.
window.mlpperf = (() => {
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // --- data files: a script each, because a page from the file system may fetch nothing else -----

  const files = new Map();
  let arrived = null;
  const keep = (content) => { arrived = content; };
  function load(file) {
    if (!files.has(file)) {
      files.set(file, new Promise((resolve, reject) => {
        const script = element("script", undefined, { src: file });
        script.onload = () => resolve(arrived);
        script.onerror = () => { files.delete(file); reject(new Error(file)); };
        document.head.append(script);
      }));
    }
    return files.get(file);
  }

  // --- choices: kept in the address, so that a link shows the same -------------------------------

  const contains = (text, words) => words.every((word) => text.includes(word));
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  function choices(box, name, apply) {
    const kept = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const all = [...box.querySelectorAll("[data-choice]")];
    const first = new Map(all.map((one) => [one, one.value]));
    const read = () => {
      const from = kept();
      for (const one of all) {
        const value = from.get(`${name}.${one.dataset.choice}`) ?? first.get(one);
        if (one.value !== value) one.value = value;
        if (one.value !== value) one.value = first.get(one); // an option that is gone
      }
    };
    const changed = () => {
      const to = kept();
      for (const one of all) {
        const key = `${name}.${one.dataset.choice}`;
        if (one.value === first.get(one)) to.delete(key); else to.set(key, one.value);
      }
      history.replaceState(null, "", `#${to}`);
      shown();
    };
    const shown = () => apply(Object.fromEntries(all.map((one) => [one.dataset.choice, one.value])));
    box.addEventListener("input", changed);
    addEventListener("hashchange", () => { read(); shown(); });
    read();
    shown();
  }
  for (const box of document.querySelectorAll(".choices[data-table]")) {
    const name = box.dataset.table;
    const rows = [...document.querySelectorAll(`#${name} > tbody > tr, #${name} > li`)];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    choices(box, name, ({ text, ...wanted }) => {
      const asked = words(text);
      const tags = Object.entries(wanted).filter(([, value]) => value);
      rows.forEach((row, i) => {
        row.hidden = !contains(texts[i], asked) ||
          tags.some(([tag, value]) => !(row.dataset[tag] || "").split("\n").includes(value));
      });
      const left = rows.filter((row) => !row.hidden).length;
      box.querySelector("output").textContent = `${left} of ${rows.length} shown`;
    });
  }

  // --- search ------------------------------------------------------------------------------------

  const MOST = 12;
  const search = document.querySelector(".search");
  const input = search.querySelector("input"), results = search.querySelector("ul");
  let index = null, chosen = -1;
  const show = (items) => {
    results.replaceChildren(...items);
    results.hidden = !items.length;
    input.setAttribute("aria-expanded", String(Boolean(items.length)));
    choose(-1);
  };
  const choose = (number) => {
    chosen = number;
    [...results.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === number)));
    const item = results.children[number];
    if (item) { input.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); }
    else input.removeAttribute("aria-activedescendant");
  };
  const remark = (text) => show([element("li", text, { role: "option", "aria-disabled": "true" })]);
  function find() {
    const asked = words(input.value);
    if (!asked.length || !index) return show([]);
    const hits = index.filter(({ text }) => contains(text, asked));
    const rank = ({ name }) => (name.startsWith(asked[0]) ? 0 : contains(name, asked) ? 1 : 2);
    hits.sort((a, b) => rank(a) - rank(b));
    if (!hits.length) return remark("Nothing has these words.");
    return show(hits.slice(0, MOST).map(({ title, about, file }, i) => {
      const item = element("li", title, { role: "option", id: `result-${i}`, "data-file": file });
      if (about) item.append(element("small", about));
      return item;
    }));
  }
  const open = (item) => { if (item?.dataset.file) location.href = item.dataset.file; };
  input.addEventListener("focus", () => {
    if (index) return;
    load("data/search.js").then((pages) => {
      index = pages.map(([title, about, file]) => ({ title, about, file,
        name: title.toLowerCase(), text: `${title} ${about}`.toLowerCase() }));
      find();
    }).catch(() => remark("The index is missing; build the report again."));
  });
  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    const last = results.children.length - 1;
    if (event.key === "ArrowDown") choose(Math.min(chosen + 1, last));
    else if (event.key === "ArrowUp") choose(Math.max(chosen - 1, 0));
    else if (event.key === "Enter") open(results.children[Math.max(chosen, 0)]);
    else if (event.key === "Escape") show([]);
    else return;
    if (event.key !== "Escape") event.preventDefault();
  });
  results.addEventListener("pointerdown", (event) => open(event.target.closest("li")));
  input.addEventListener("blur", () => show([]));
  addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });
  search.hidden = false;

  addEventListener("DOMContentLoaded", () => { document.documentElement.dataset.ready = "true"; });
  return { element, load, choices, words, contains, history: keep, search: keep, map: keep };
})();
