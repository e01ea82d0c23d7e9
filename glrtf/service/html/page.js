"use strict";

const byId = (id) => document.getElementById(id);
let state = { shown: [], max_upload: Infinity, weak: 0 };
let turn = 0;
// What is searched with: files of the reader, a box in shares of the photo, or index photos.
let asked = { files: [], box: null, like: [] };
const LEAST_BOX = 8;

// All text goes in as text, never as HTML: names come from files that others wrote.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}

function photo(split, id, side, alt) {
  const address = `/photos/${split}/${encodeURIComponent(id)}`;
  if (!state.shown.includes(split)) return element("span", { class: "photo none", title: id });
  const image = element("img", { src: `${address}?side=${side}`, alt, loading: "lazy" });
  const link = element("a", { class: "photo", href: address, title: id }, image);
  image.addEventListener("error", () => link.classList.add("none"));
  return link;
}

function trainStrip(ids, of) {
  const photos = ids.map((id, n) => photo("train", id, 160, `Train photo ${n + 1} of ${of}`));
  return element("div", { class: "strip" }, ...photos);
}

const named = (mark) => mark.name || `landmark ${mark.landmark_id}`;
const percent = (probability) => `${Math.round(100 * probability)} %`;
const isWeak = (each) => each.probability !== null && each.probability < state.weak;

// The confidence of a landmark or photo: a probability if known, otherwise the score.
function confidence(each, score, digits) {
  const known = each.probability !== null;
  const title = known ? `how often answers with such a score were right; score ${score.toFixed(digits)}` : "score";
  return element("span", { class: "number", title }, known ? percent(each.probability) : score.toFixed(digits));
}

function verdict(answer) {
  if (answer.verdict === null) return "";
  const [mark, shown] = [answer.landmarks[0], percent(answer.probability)];
  const byMark = mark && mark.probability === answer.probability;
  if (answer.verdict === "likely") return `Likely: ${byMark ? named(mark) : "the first photo shows it too"} (${shown})`;
  const perhaps = byMark ? `perhaps ${named(mark)}` : "the first photo may show it too";
  if (answer.verdict === "unsure") return `Unsure: ${perhaps} (${shown})`;
  return `Unknown: nothing here is likely to match (${perhaps}, ${shown})`;
}

function markItem(mark) {
  const shown = confidence(mark, mark.confidence, 2);
  const line = element("div", { class: "line" }, element("b", {}, named(mark)), shown);
  return element("li", isWeak(mark) ? { class: "weak" } : {}, line, trainStrip(mark.train_photos, named(mark)));
}

function meter(kind, label, value) {
  const bar = element("progress", { max: 1, value: Math.min(1, Math.max(0, value)), "aria-label": label });
  const number = element("span", { class: "number" }, value.toFixed(3));
  return element("div", { class: `meter ${kind}` }, element("span", {}, label), bar, number);
}

function bridge(found, marks) {
  const mark = marks.find((each) => each.landmark_id === found.landmark_id);
  const name = mark ? named(mark) : `landmark ${found.landmark_id}`;
  const inside = element("div", {},
    element("div", {}, "Train photos like yours"), trainStrip(mark ? mark.train_photos : [], name),
    element("div", {}, "Train photos like this one"), trainStrip(found.train_photos, name));
  return element("details", {}, element("summary", {}, `through ${name}`), inside);
}

function foundItem(found, place, marks) {
  const rank = element("b", {}, `${place + 1}.`);
  const final = confidence(found, found.final, 3);
  const kind = isWeak(found) ? { class: "weak" } : {};
  const item = element("li", { "data-id": found.image_id, ...kind },
    photo("index", found.image_id, 320, `Ranked ${place + 1}`),
    element("div", { class: "line" }, rank, final),
    meter("d", "direct", found.direct), meter("b", "bridged", found.bridged));
  if (found.landmark_id !== null) item.append(bridge(found, marks));
  item.append(element("div", { class: "id soft" }, found.name || found.image_id));
  const address = `#like=${encodeURIComponent(found.image_id)}`;
  item.append(element("a", { class: "like", href: address }, "More like this"));
  return item;
}

function show(answer) {
  byId("verdict").textContent = verdict(answer);
  byId("verdict").className = answer.verdict || "";
  byId("none").hidden = answer.landmarks.length > 0;
  byId("marks").replaceChildren(...answer.landmarks.map(markItem));
  byId("found").replaceChildren(...answer.photos.map((each, n) => foundItem(each, n, answer.landmarks)));
  byId("answer").hidden = false;
  byId("landmarks-title").focus({ preventScroll: true });
}

async function reply(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.slice(0, 200) };
  }
}

const listed = (id) => byId(id).value.split(";").map((each) => each.trim()).filter(Boolean);

function request() {
  const parameters = new URLSearchParams({ limit: 24 });
  for (const id of ["only_labels", "only_folders"]) {
    for (const each of listed(id)) parameters.append(id, each);
  }
  if (!asked.files.length) {
    for (const each of asked.like) parameters.append("image_id", each);
    return fetch(`/like?${parameters}`, { method: "POST" });
  }
  if (asked.box) parameters.append("box", asked.box.map((each) => each.toFixed(4)).join(","));
  const form = new FormData();
  for (const file of asked.files) form.append("photo", file, "photo");
  return fetch(`/search?${parameters}`, { method: "POST", body: form });
}

async function search() {
  const mine = ++turn;
  byId("answer").hidden = true;
  const bytes = asked.files.reduce((sum, file) => sum + file.size, 0);
  if (bytes > state.max_upload) {
    say(`expected a photo of at most ${state.max_upload} bytes, found ${bytes}`, true);
    return;
  }
  say("Searching …");
  try {
    const began = performance.now();
    const response = await request();
    const answer = await reply(response);
    // An answer that comes after another photo was chosen is not shown.
    if (mine !== turn) return;
    if (!response.ok) {
      say(answer.error || `refused (${response.status})`, true);
      return;
    }
    show(answer);
    say(`${answer.photos.length} photos in ${((performance.now() - began) / 1000).toFixed(2)} s`);
  } catch {
    if (mine === turn) say("the server does not answer", true);
  }
}

function showAsked(address, how) {
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.hidden = !address;
  if (address) preview.src = address;
  else preview.removeAttribute("src");
  byId("chosen").hidden = false;
  byId("how").textContent = how;
  byId("frame").classList.toggle("fixed", asked.files.length !== 1);
  drawBox();
}

// A box, (left, upper, right, lower) in shares of the photo, on the preview.
function drawBox() {
  const [box, ends] = [byId("box"), asked.box];
  box.hidden = byId("whole").hidden = !ends;
  if (!ends) return;
  const [left, upper, right, lower] = ends.map((each) => `${100 * each}%`);
  Object.assign(box.style, { left, top: upper, width: `calc(${right} - ${left})`, height: `calc(${lower} - ${upper})` });
}

function choose(files) {
  asked = { files: [...files], box: null, like: [] };
  if (location.hash) history.pushState(null, "", location.pathname);
  const one = asked.files.length === 1;
  const how = one ? "Drag across the photo to search with a part of it." : `${asked.files.length} photos of one object.`;
  showAsked(URL.createObjectURL(asked.files[0]), how);
  search();
}

function likeOfAddress() {
  const id = new URLSearchParams(location.hash.slice(1)).get("like");
  if (!id) return;
  asked = { files: [], box: null, like: [id] };
  const shown = state.shown.includes("index") ? `/photos/index/${encodeURIComponent(id)}?side=320` : "";
  showAsked(shown, `Photos like ${id}`);
  search();
}

// The pointer's place on the preview, in shares from 0 to 1.
function place(event) {
  const { left, top, width, height } = byId("preview").getBoundingClientRect();
  const share = (value, length) => Math.min(1, Math.max(0, value / Math.max(length, 1)));
  return [share(event.clientX - left, width), share(event.clientY - top, height)];
}

function listenForBoxes() {
  const frame = byId("frame");
  let first = null;
  const drag = (event) => {
    const [x, y] = place(event);
    asked.box = [Math.min(x, first[0]), Math.min(y, first[1]), Math.max(x, first[0]), Math.max(y, first[1])];
    drawBox();
  };
  frame.addEventListener("pointerdown", (event) => {
    if (asked.files.length !== 1 || event.button !== 0) return;
    event.preventDefault();
    first = place(event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => { if (first) drag(event); });
  frame.addEventListener("pointerup", (event) => {
    if (!first) return;
    drag(event);
    first = null;
    const { width, height } = byId("preview").getBoundingClientRect();
    const [left, upper, right, lower] = asked.box;
    // A click is no box.
    if ((right - left) * width < LEAST_BOX || (lower - upper) * height < LEAST_BOX) asked.box = null;
    drawBox();
    search();
  });
  frame.addEventListener("pointercancel", () => { first = asked.box = null; drawBox(); });
  byId("whole").addEventListener("click", () => { asked.box = null; drawBox(); search(); });
}

function listen() {
  const drop = byId("drop");
  byId("photo").addEventListener("change", (event) => {
    if (event.target.files.length) choose(event.target.files);
    event.target.value = "";
  });
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  byId("preview").addEventListener("error", () => { byId("preview").hidden = true; });
  for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) choose(event.clipboardData.files);
  });
  for (const id of ["only_labels", "only_folders"]) {
    byId(id).addEventListener("change", () => { if (asked.files.length || asked.like.length) search(); });
  }
  window.addEventListener("hashchange", likeOfAddress);
  listenForBoxes();
}

async function begin() {
  listen();
  const response = await fetch("/healthz");
  state = await reply(response);
  const train = state.train_photos ? `, through ${state.train_photos.toLocaleString("en")} train photos` : "";
  const scale = byId("scale");
  scale.textContent = state.calibration
    ? `Percentages: how often answers with such a score were right, by ${state.calibration}. Faded: under ${percent(state.weak)}.`
    : "The confidence of these scores is unknown: too few photos of known landmarks.";
  byId("about").textContent = `Searches ${state.index_photos.toLocaleString("en")} photos${train}.`;
  document.documentElement.dataset.ready = "yes";
  likeOfAddress();
}

begin().catch(() => say("the server does not answer", true));
