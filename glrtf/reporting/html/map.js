"use strict";
// The map of embeddings: circles are index photos, diamonds are queries; pointing at one, or
// moving with the arrow keys, marks every photo of the same landmark.
(() => {
  const map = glrtf.report.map;
  if (!map) return;
  const SIZE = 1000, MARGIN = 24, NAMESPACE = "http://www.w3.org/2000/svg";
  const svg = document.getElementById("map-picture");
  const info = document.getElementById("map-info");
  const byGroup = new Map();
  map.group.forEach((group, i) => {
    if (group < 0) return;
    if (!byGroup.has(group)) byGroup.set(group, []);
    byGroup.get(group).push(i);
  });
  const queries = new Map(glrtf.report.queries.map((query) => [query.id, query]));
  const across = map.ids.map((_, i) => i).filter((i) => map.query[i]).sort((a, b) => map.x[a] - map.x[b]);
  let marked = null;

  function shape(i) {
    const node = document.createElementNS(NAMESPACE, "path");
    const x = MARGIN + (map.x[i] / SIZE) * (SIZE - 2 * MARGIN);
    const y = MARGIN + (map.y[i] / SIZE) * (SIZE - 2 * MARGIN);
    node.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    node.setAttribute("d", map.query[i] ? "M0-9 9 0 0 9-9 0Z" : "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0Z");
    node.setAttribute("class", map.query[i] ? "point query-point" : "point");
    node.dataset.i = i;
    return node;
  }
  const points = map.ids.map((_, i) => shape(i));
  // Queries last: they lie on top.
  svg.append(...points.filter((_, i) => !map.query[i]), ...points.filter((_, i) => map.query[i]));

  function mark(i) {
    if (marked === i) return;
    marked = i;
    const same = new Set(map.group[i] < 0 ? [i] : byGroup.get(map.group[i]));
    svg.classList.add("marking");
    points.forEach((point, j) => {
      point.classList.toggle("same", same.has(j));
      point.classList.toggle("here", j === i);
    });
    tell(i, same);
  }
  function tell(i, same) {
    const id = map.ids[i];
    const query = queries.get(id);
    const kind = map.query[i] ? "query" : "index photo";
    const count = [...same].filter((j) => map.query[j]).length;
    const landmark = map.group[i] < 0 ? "of no scored landmark" : `one of ${count} queries and ${same.size - count} index photos of its landmark here`;
    const { element, photo } = glrtf;
    const others = [...same].filter((j) => j !== i).slice(0, 8).map((j) => photo(map.ids[j], "", false, map.ids[j]));
    const open = query ? element("button", { type: "button", onclick: () => glrtf.go({ open: id }) }, "Open this query") : null;
    info.replaceChildren(photo(id), element("p", {}, element("span", { class: "id" }, id), element("br"), `${kind}, ${landmark}`,
      query && query.ap !== null ? `, AP ${query.ap.toFixed(3)}` : ""), ...(open ? [open] : []),
      element("div", { class: "missed" }, ...others));
  }
  svg.addEventListener("pointerover", (event) => { if (event.target.dataset.i) mark(Number(event.target.dataset.i)); });
  svg.addEventListener("click", (event) => {
    const i = event.target.dataset.i;
    if (i && queries.has(map.ids[i]) && map.query[i]) glrtf.go({ open: map.ids[i] });
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const at = across.indexOf(marked);
      mark(across[Math.min(Math.max(at + step, 0), across.length - 1)]);
    } else if (event.key === "Enter" && marked !== null && queries.has(map.ids[marked])) {
      glrtf.go({ open: map.ids[marked] });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
})();
