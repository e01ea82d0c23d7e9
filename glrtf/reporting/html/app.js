"use strict";
const glrtf = (() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const queries = report.queries;
  const PAGE = 20;
  const MARKS = { r: ["✓", "right"], w: ["✗", "wrong"], i: ["–", "ignored"] };
  const scored = (q) => q.usage !== "Ignored";
  const by = (key, sign) => (a, b) => sign * (key(a) - key(b)) || (a.id < b.id ? -1 : 1);
  const FILTERS = {
    all: { belongs: () => true, order: null, sorted: "in the solution's order" },
    worst: { belongs: scored, order: by((q) => q.ap, 1), sorted: "lowest average precision first" },
    best: { belongs: scored, order: by((q) => q.ap, -1), sorted: "highest average precision first" },
    helped: { belongs: (q) => q.gain > 0, order: by((q) => q.gain, -1), sorted: "largest gain first" },
    hurt: { belongs: (q) => q.gain !== null && q.gain < 0, order: by((q) => q.gain, 1), sorted: "largest loss first" },
    none: { belongs: (q) => !scored(q), order: by((q) => q.score, -1), sorted: "highest score first" },
  };
  const details = new Map();
  const train = new Map();
  const near = new Map();
  const waiting = new Map();
  const place = new Map(queries.map((q, i) => [q.id, i]));
  const state = { filter: "all", page: 0, text: "", usage: "", open: null, rank: null, cursor: 0 };
  const $ = (id) => document.getElementById(id);

  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }
  const number = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(3);
  // As tfrecords_tools.image_ids.file_name writes them.
  const escaped = (code) => "~" + code.toString(16).padStart(2, "0");
  const letter = (code) => /^[A-Za-z0-9_-]$/.test(String.fromCharCode(code)) ? String.fromCharCode(code) : escaped(code);
  const fileName = (id) => /^[A-Za-z0-9_-]*$/.test(id) ? id : Array.from(new TextEncoder().encode(id), letter).join("");
  const source = (id) => { const name = fileName(id); return `thumbnails-${report.thumbnail}/${name.slice(0, 2)}/${name.match(/.{1,200}/g).join("/")}.jpg`; };

  function photo(id, mark = "", bridged = false, title = "") {
    const box = element("span", { class: `photo ${mark}`, title: title || null });
    const image = element("img", { src: source(id), alt: "", loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => box.classList.add("none"));
    box.append(image);
    if (mark) box.append(element("span", { class: `tick ${mark}`, role: "img", "aria-label": MARKS[mark][1] }, MARKS[mark][0]));
    if (bridged) box.append(element("span", { class: "over" }, "bridge"));
    return box;
  }

  function selection() {
    const { belongs, order } = FILTERS[state.filter];
    const chosen = queries.filter((q) => belongs(q) && q.id.includes(state.text) && (!state.usage || q.usage === state.usage));
    return order ? chosen.sort(order) : chosen;
  }

  function row(q, index) {
    const facts = element("span", {});
    if (scored(q)) {
      facts.append(element("b", {}, `AP ${number(q.ap)}`), element("br"));
      const first = q.first ? `first right at ${q.first}` : "none right";
      facts.append(element("span", { class: "small" }, `${q.hits} of ${q.relevant} found, ${first}`), element("br"));
      if (Math.abs(q.gain ?? 0) >= 0.0005) facts.append(element("span", { class: "small" }, `${signed(q.gain)} ${report.baselineShort}`), element("br"));
    } else {
      facts.append(element("b", {}, "no landmark"), element("br"), element("span", { class: "small" }, `top score ${number(q.score)}`), element("br"));
    }
    facts.append(element("span", { class: "id" }, q.id));
    const ids = q.strip ? q.strip.split("\n") : [];
    const strip = ids.map((id, i) => photo(id, q.marks[i], q.bridged[i] === "1", `rank ${i + 1}: ${MARKS[q.marks[i]][1]}, ${id}`));
    const link = element("a", { href: hash({ open: q.id }), "data-id": q.id, "aria-label": `query ${q.id}` }, photo(q.id), facts);
    const empty = element("p", { class: "soft" }, "The submission ranks no image for this query.");
    return element("article", { class: index === state.cursor ? "query current" : "query" }, link,
      ids.length ? element("div", { class: "strip" }, ...strip) : empty);
  }

  function drawGallery() {
    const chosen = selection();
    const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const shown = chosen.slice(state.page * PAGE, (state.page + 1) * PAGE);
    state.cursor = Math.min(Math.max(state.cursor, 0), Math.max(shown.length - 1, 0));
    $("queries").replaceChildren(...shown.map(row));
    if (!shown.length) $("queries").append(element("p", {}, "No query matches."));
    for (const button of document.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", button.dataset.filter === state.filter);
    }
    for (const pager of document.querySelectorAll(".pager")) {
      pager.querySelector(".where").textContent = `page ${state.page + 1} of ${pages} · ${chosen.length} queries, ${FILTERS[state.filter].sorted}`;
      pager.querySelector(".previous").disabled = state.page === 0;
      pager.querySelector(".next").disabled = state.page === pages - 1;
    }
    $("text").value = state.text;
    $("usage").value = state.usage;
  }

  function hash(changes) {
    const next = { ...state, ...changes };
    const parts = new URLSearchParams();
    if (next.filter !== "all") parts.set("filter", next.filter);
    if (next.usage) parts.set("usage", next.usage);
    if (next.text) parts.set("text", next.text);
    if (next.page) parts.set("page", next.page + 1);
    if (next.open) parts.set("query", next.open);
    return `#${parts.toString() || "gallery"}`;
  }
  function go(changes) {
    const target = hash(changes);
    // Not by location.hash: its event comes later, and would draw over what was chosen meanwhile.
    if (target !== location.hash) history.pushState(null, "", target);
    follow();
  }
  function follow() {
    const text = location.hash.slice(1);
    if (text && !text.includes("=") && text !== "gallery") return;
    const parts = new URLSearchParams(text === "gallery" ? "" : text);
    const filter = parts.get("filter") || "all";
    Object.assign(state, {
      filter: filter in FILTERS ? filter : "all",
      usage: parts.get("usage") || "",
      text: parts.get("text") || "",
      page: Math.max(0, (parseInt(parts.get("page"), 10) || 1) - 1),
      open: place.has(parts.get("query")) ? parts.get("query") : null,
    });
    drawGallery();
    if (state.open) showQuery(state.open);
    else if ($("detail").open) $("detail").close();
  }

  function receive(chunk, data) {
    for (const [id, detail] of Object.entries(data.queries)) details.set(id, detail);
    for (const [landmark, ids] of Object.entries(data.train)) train.set(landmark, ids);
    for (const [pair, ids] of Object.entries(data.near)) near.set(pair, ids);
    (waiting.get(chunk) || []).forEach((then) => then());
    waiting.delete(chunk);
  }
  function withDetails(id, then) {
    if (details.has(id)) return then();
    const chunk = Math.floor(place.get(id) / report.chunk);
    if (waiting.has(chunk)) return waiting.get(chunk).push(then);
    waiting.set(chunk, [then]);
    const script = element("script", { src: `data/queries-${String(chunk).padStart(4, "0")}.js` });
    script.addEventListener("error", () => { $("ranks").textContent = `${script.src} is missing: make the report again.`; });
    document.head.append(script);
  }

  function showQuery(id) {
    const q = queries[place.get(id)];
    $("detail-title").textContent = `Query ${id}`;
    $("query-photo").replaceChildren(photo(id));
    drawFacts(q);
    $("ranks").textContent = "…";
    state.rank = null;
    $("bridge").replaceChildren();
    $("missed").replaceChildren();
    if (!$("detail").open) $("detail").showModal();
    $("detail").scrollTop = 0;
    const order = selection().map((other) => other.id);
    const at = order.indexOf(id);
    $("before").disabled = at <= 0;
    $("after").disabled = at < 0 || at === order.length - 1;
    $("before").onclick = () => step(-1);
    $("after").onclick = () => step(1);
    withDetails(id, () => { if (state.open === id) drawRanks(q, details.get(id)); });
  }
  function step(by) {
    const order = selection().map((other) => other.id);
    const next = order[order.indexOf(state.open) + by];
    if (next) go({ open: next, page: Math.floor(order.indexOf(next) / PAGE) });
  }
  function drawFacts(q) {
    const facts = scored(q)
      ? [["part", q.usage], ["average precision", number(q.ap)], [report.baselineName, q.gain === null ? "–" : number(q.ap - q.gain)],
         ["difference", q.gain === null ? "–" : signed(q.gain)], ["found in 100", `${q.hits} of ${q.relevant}`], ["first right rank", q.first || "none"]]
      : [["part", "Ignored: shows no landmark"], ["top score", number(q.score)]];
    $("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  }

  function meter(name, value, kind) {
    if (value === null) return null;
    const width = `${Math.round(100 * Math.min(1, Math.max(0, value)))}%`;
    return element("span", { class: `meter ${kind}`, title: name }, element("span", {}, name[0].toUpperCase()),
      element("i", { style: `--v:${width}` }), element("span", {}, number(value, 2)));
  }
  function card(q, image, rank) {
    const [id, mark, final, direct, bridged, , byBridge] = image;
    const title = `rank ${rank + 1}, ${MARKS[mark][1]}, score ${number(final)}, ${id}`;
    return element("button", { class: "rank", "aria-pressed": "false", "aria-label": title, title: id, onclick: () => choose(q, rank) },
      photo(id, mark, Boolean(byBridge)),
      element("span", { class: "line" }, element("span", {}, `#${rank + 1} ${MARKS[mark][1]}`), element("span", {}, final === null ? "" : number(final))),
      meter("direct confidence", direct, "d"), meter("bridged confidence", bridged, "b"));
  }
  function drawRanks(q, detail) {
    const cards = detail.images.map((image, rank) => card(q, image, rank));
    $("ranks").replaceChildren(...cards);
    if (!cards.length) $("ranks").textContent = "The submission ranks no image for this query.";
    $("scores-key").hidden = !detail.images.some((image) => image[2] !== null);
    const byBridge = detail.images.findIndex((image) => image[6]);
    const firstBridged = byBridge >= 0 ? byBridge : detail.images.findIndex((image) => image[5] !== null);
    if (firstBridged >= 0) choose(q, firstBridged);
    else if (detail.images.some((image) => image[2] !== null)) {
      $("bridge").replaceChildren(element("p", { class: "soft" }, "No image of this query was reached over a train landmark."));
    }
    if (detail.missed.length) {
      const more = q.relevant - q.hits - detail.missed.length;
      $("missed").replaceChildren(
        element("h3", {}, `Relevant, not among the first 100: ${q.relevant - q.hits}${more > 0 ? ` (${detail.missed.length} shown)` : ""}`),
        element("div", { class: "missed" }, ...detail.missed.map((id) => photo(id, "", false, id))));
    }
  }
  function choose(q, rank) {
    const detail = details.get(q.id);
    state.rank = rank;
    [...$("ranks").children].forEach((button, i) => button.setAttribute("aria-pressed", i === rank));
    const [id, mark, , direct, bridged, landmark, byBridge] = detail.images[rank];
    if (landmark === null) {
      const text = direct === null ? "" : `Rank ${rank + 1} was found by its own similarity (direct confidence ${number(direct)}), without a bridge.`;
      $("bridge").replaceChildren(element("p", {}, text));
      return;
    }
    const name = report.landmarks[landmark];
    const step = () => element("span", { class: "step", "aria-hidden": "true" }, "→");
    const titled = (node, text) => element("figure", {}, node, element("figcaption", {}, text));
    const photos = (ids) => element("div", { class: "train" }, ...ids.map((t) => photo(t, "", false, `train ${t}`)));
    $("bridge").replaceChildren(element("div", { class: "bridge" },
      element("h3", {}, `Rank ${rank + 1} ${byBridge ? "bridged" : "also reached, not decided,"} by train landmark ${landmark}${name ? `, ${name}` : ""}`),
      element("span", { class: "small" }, `bridged confidence ${number(bridged)}, direct confidence ${number(direct)}`),
      element("div", { class: "way" }, titled(photo(q.id), "query"), step(), ...trainPhotos(q.id, id, landmark, photos, titled),
        step(), titled(photo(id, mark), `rank ${rank + 1}, ${MARKS[mark][1]}`))));
  }

  function trainPhotos(queryId, imageId, landmark, photos, titled) {
    const [likeQuery, likeImage] = [queryId, imageId].map((id) => near.get(`${id} ${landmark}`));
    if (likeQuery && likeImage) {
      return [titled(photos(likeQuery), "its train photos most like the query"), element("span", { class: "step", title: "the same landmark" }, "="),
        titled(photos(likeImage), "its train photos most like the hit")];
    }
    const some = train.get(String(landmark)) || [];
    return [some.length ? titled(photos(some), "some of its train photos") : element("span", { class: "soft" }, "train photos not at hand")];
  }

  function moveCursor(by) {
    const rows = $("queries").querySelectorAll("article");
    if (!rows.length) return;
    rows[state.cursor].classList.remove("current");
    state.cursor = Math.min(Math.max(state.cursor + by, 0), rows.length - 1);
    rows[state.cursor].classList.add("current");
    rows[state.cursor].querySelector("a").focus();
    rows[state.cursor].scrollIntoView({ block: "nearest" });
  }
  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const inDetail = $("detail").open;
    const keys = inDetail
      ? { j: () => step(1), k: () => step(-1), ArrowRight: () => moveRank(1), ArrowLeft: () => moveRank(-1) }
      : { j: () => moveCursor(1), k: () => moveCursor(-1), n: () => turn(1), p: () => turn(-1), "/": () => $("text").focus(),
          o: () => $("queries").querySelector(".current a")?.click() };
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  }
  function moveRank(by) {
    const cards = $("ranks").children;
    const next = Math.min(Math.max((state.rank ?? -1) + by, 0), cards.length - 1);
    if (cards[next]?.tagName === "BUTTON") { choose(queries[place.get(state.open)], next); cards[next].focus(); }
  }
  function turn(by) { state.cursor = 0; go({ page: state.page + by }); $("gallery").scrollIntoView(); }

  function start() {
    for (const button of document.querySelectorAll("[data-filter]")) {
      const { belongs } = FILTERS[button.dataset.filter];
      const count = queries.filter(belongs).length;
      button.append(` (${count})`);
      button.disabled = count === 0;
      button.addEventListener("click", () => { state.cursor = 0; go({ filter: button.dataset.filter, page: 0 }); });
    }
    for (const pager of document.querySelectorAll(".pager")) {
      pager.querySelector(".previous").addEventListener("click", () => turn(-1));
      pager.querySelector(".next").addEventListener("click", () => turn(1));
    }
    $("text").addEventListener("input", () => go({ text: $("text").value.trim(), page: 0 }));
    $("usage").addEventListener("change", () => go({ usage: $("usage").value, page: 0 }));
    $("close").addEventListener("click", () => go({ open: null }));
    $("detail").addEventListener("cancel", (event) => { event.preventDefault(); go({ open: null }); });
    document.addEventListener("keydown", onKey);
    window.addEventListener("hashchange", follow);
    drawGallery();
    follow();
    document.documentElement.dataset.ready = "yes";
  }
  return { receive, start, go, element, photo, report };
})();
