"use strict";

const byId = (id) => document.getElementById(id);
let state = { shown: [], max_upload: Infinity, weak: 0 };
let turn = 0;

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

// How sure a landmark or photo is: a probability where it is known, else the score itself.
function sureness(each, score, digits) {
  const known = each.probability !== null;
  const title = known ? `how often answers with such a score were right; score ${score.toFixed(digits)}` : "score";
  return element("span", { class: "number", title }, known ? percent(each.probability) : score.toFixed(digits));
}

function verdict(answer) {
  if (answer.verdict === null) return "";
  const [mark, sure] = [answer.landmarks[0], percent(answer.probability)];
  const byMark = mark && mark.probability === answer.probability;
  if (answer.verdict === "likely") return `Likely: ${byMark ? named(mark) : "the first photo shows it too"} (${sure})`;
  const perhaps = byMark ? `perhaps ${named(mark)}` : "the first photo may show it too";
  if (answer.verdict === "unsure") return `Unsure: ${perhaps} (${sure})`;
  return `Unknown: nothing here is sure to match (${perhaps}, ${sure})`;
}

function markItem(mark) {
  const sure = sureness(mark, mark.confidence, 2);
  const line = element("div", { class: "line" }, element("b", {}, named(mark)), sure);
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
  const final = sureness(found, found.final, 3);
  const kind = isWeak(found) ? { class: "weak" } : {};
  const item = element("li", { "data-id": found.image_id, ...kind },
    photo("index", found.image_id, 320, `Ranked ${place + 1}`),
    element("div", { class: "line" }, rank, final),
    meter("d", "direct", found.direct), meter("b", "bridged", found.bridged));
  if (found.landmark_id !== null) item.append(bridge(found, marks));
  item.append(element("div", { class: "id soft" }, found.name || found.image_id));
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

async function search(file) {
  const mine = ++turn;
  byId("answer").hidden = true;
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  if (file.size > state.max_upload) {
    say(`expected a photo of at most ${state.max_upload} bytes, found ${file.size}`, true);
    return;
  }
  say("Searching …");
  const form = new FormData();
  form.append("photo", file, "photo");
  try {
    const began = performance.now();
    const response = await fetch("/search?limit=24", { method: "POST", body: form });
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

function listen() {
  const drop = byId("drop");
  byId("photo").addEventListener("change", (event) => {
    if (event.target.files.length) search(event.target.files[0]);
    event.target.value = "";
  });
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  byId("preview").addEventListener("error", () => { byId("preview").hidden = true; });
  for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) search(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) search(event.clipboardData.files[0]);
  });
}

async function begin() {
  listen();
  const response = await fetch("/healthz");
  state = await reply(response);
  const train = state.train_photos ? `, through ${state.train_photos.toLocaleString("en")} train photos` : "";
  const scale = byId("scale");
  scale.textContent = state.calibration
    ? `Percentages: how often answers with such a score were right, by ${state.calibration}. Faded: under ${percent(state.weak)}.`
    : "How sure these scores are is not known: too few photos of known landmarks.";
  byId("about").textContent = `Searches ${state.index_photos.toLocaleString("en")} photos${train}.`;
  document.documentElement.dataset.ready = "yes";
}

begin().catch(() => say("the server does not answer", true));
