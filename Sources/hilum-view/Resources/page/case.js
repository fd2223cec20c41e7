// An open case: its images beside those of the question, the heat map, the report, and the patient's other studies.

import { chipsOf, factsOf, marksOf, pictureFor, whyOf } from "./hits.js";
import { ask, at, make, marked, pictureOf, pictureOfUpload } from "./tools.js";
import { keyName, word } from "./words.js";

const pictureSide = 900;

let shown = null;

/** Whether a case is open. */
export const caseIsOpen = () => at("case").open;

/** The hit that is open; null where none is. */
export const shownHit = () => (caseIsOpen() ? shown?.hit : null);

/** The hit that was open last, so that the focus can go back to it; null before the first. */
export const lastHit = () => shown?.hit ?? null;

/**
 * Opens a case.
 *
 * @param cases those that j and k step through.
 * @param steer `like` and `unlike`, which change the question.
 */
export async function openCase(hit, cases, question, steer) {
  shown = { hit, cases, question, steer, heats: new Map(), isHot: false };
  const mine = shown;
  show();
  if (!at("case").open) at("case").showModal();
  at("case").scrollTop = 0;
  const reply = await ask("case", { id: hit.id });
  if (mine !== shown || !reply?.ok) return;
  const facts = at("case-facts");
  facts.replaceChildren(...factRows(reply.objects[0]));
  facts.closest("section").hidden = facts.children.length === 0;
}

/** Goes on to the next case, or back. */
export function stepCase(step) {
  const { cases, hit, question, steer } = shown;
  const next = cases[cases.findIndex(other => other.id === hit.id) + step];
  if (next) openCase(next, cases, question, steer);
}

function show() {
  const { hit, question, cases, steer } = shown;
  const place = cases.findIndex(other => other.id === hit.id);
  const leave = action => () => { at("case").close(); action(hit.id); };
  const report = hit.report ? make("p", { class: "report whole" }, ...marked(hit.report, marksOf(hit))) : make("p", { class: "quiet" }, word("noReport"));
  at("case").replaceChildren(
    make("header", {},
      make("h2", { id: "case-title", tabindex: "-1", autofocus: true }, make("span", { class: "rank" }, String(hit.rank)), ` ${hit.id}`),
      make("p", { class: "facts" }, factsOf(hit)),
      make("div", { class: "actions" },
        make("button", { type: "button", disabled: place <= 0, onclick: () => stepCase(-1) }, word("previous")),
        make("button", { type: "button", disabled: place < 0 || place >= cases.length - 1, onclick: () => stepCase(1) }, word("next")),
        make("button", { type: "button", onclick: leave(steer.like) }, word("moreLike")),
        make("button", { type: "button", onclick: leave(steer.unlike) }, word("notLike")),
        make("button", { type: "button", class: "main", onclick: () => at("case").close() }, word("close")))),
    make("div", { class: "halves" },
      make("div", {}, make("div", { id: "figures" }, ...figures(hit, question)), heatForm(hit, question)),
      make("div", {},
        section("findings", chipsOf(hit, 40)),
        section("report", report),
        section("why", whyOf(hit)),
        section("facts", make("dl", { class: "facts-list", id: "case-facts" })),
        studies(hit))));
  at("case-facts").closest("section").hidden = true;
}

const section = (name, ...content) => make("section", {}, make("h3", {}, word(name)), ...content);

function factRows(record) {
  const metadata = Object.entries(record.metadata ?? {});
  const known = ["patient", "date", "view", "modality", "site"].filter(key => record[key]).map(key => [key, record[key]]);
  return [...known, ...metadata].map(([key, value]) => make("div", {}, make("dt", {}, keyName(key)), make("dd", {}, String(value))));
}

// MARK: Images

/** The images of the question, then all of the case: frontal and lateral beside each other. */
function figures(hit, question) {
  const list = [];
  if (question.upload) {
    list.push(figure(pictureOfUpload(question.upload, pictureSide), word("queryImage"), { upload: question.upload }, "query"));
  }
  for (const id of question.like.slice(0, 2)) {
    list.push(figure(pictureOf(id, 1, pictureSide), word("exampleImage", { id }), { id, place: 1 }, "query"));
  }
  (hit.images ?? []).forEach((image, index) => {
    const name = word("imageOf", { n: index + 1, id: hit.id });
    const caption = image.view ? `${image.view} · ${name}` : name;
    list.push(figure(pictureOf(hit.id, index + 1, pictureSide), caption, { id: hit.id, place: index + 1 }, "found"));
  });
  if ((hit.images ?? []).length === 0) list.push(make("figure", { class: "found" }, pictureFor(hit, pictureSide)));
  return list;
}

function figure(source, caption, target, kind) {
  const image = make("img", { src: source, alt: caption });
  const element = make("figure", { class: kind }, make("div", { class: "film" }, image, make("canvas", { "aria-hidden": "true" })), make("figcaption", {}, caption));
  // An example without an image has nothing to show.
  image.addEventListener("error", () => element.remove());
  element.target = target;
  return element;
}

// MARK: Heat maps

function heatForm(hit, question) {
  const affirmed = (hit.said ?? []).find(said => said.assertion === "present");
  const suggestion = question.text || (affirmed ? [affirmed.side, affirmed.name.replaceAll("-", " ")].filter(Boolean).join(" ") : "");
  if ((hit.images ?? []).length === 0 && !question.upload) return "";
  return make("form", { id: "heat", onsubmit: event => { event.preventDefault(); toggleHeat(); } },
    make("h3", {}, word("heat")),
    make("div", { class: "row" },
      make("label", { class: "unseen", for: "heat-text" }, word("heatWords")),
      make("input", { id: "heat-text", type: "text", maxlength: 400, value: suggestion, oninput: () => hideHeat() }),
      make("button", { id: "heat-button", "aria-pressed": "false" }, word("heatShow"))),
    make("div", { id: "heat-words", role: "group", "aria-label": word("heatWords") }),
    make("p", { id: "heat-status", role: "status", class: "quiet" }));
}

/** Shows the heat map over all images, or hides it. */
export async function toggleHeat() {
  const form = at("heat");
  if (!form) return;
  if (shown.isHot) return hideHeat();
  const text = at("heat-text").value.trim();
  if (!text) return at("heat-text").focus();
  const mine = shown;
  mine.isHot = true;
  setHeatButton();
  at("heat-status").textContent = word("heatWait");
  // One after the other: the first call reads the archive's reference images, which the others then find.
  for (const element of at("figures").children) {
    if (!element.target) continue;
    const reply = await ask("heat", { ...element.target, text });
    if (mine !== shown || !mine.isHot) return;
    if (!reply?.ok) {
      at("heat-status").textContent = reply?.text || word("failed");
      continue;
    }
    // The size of the picture is that of the map.
    await element.querySelector("img").decode().catch(() => {});
    if (mine !== shown || !mine.isHot || !element.isConnected) return;
    mine.heats.set(element, { map: reply.objects[0], words: reply.objects.slice(1) });
    paint(element, null);
  }
  if (mine.heats.size > 0) showHeatWords(null);
}

function hideHeat() {
  shown.isHot = false;
  shown.heats.clear();
  for (const canvas of at("figures").querySelectorAll("canvas")) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  at("heat-words").replaceChildren();
  at("heat-status").textContent = "";
  setHeatButton();
}

function setHeatButton() {
  at("heat-button").textContent = word(shown.isHot ? "heatHide" : "heatShow");
  at("heat-button").setAttribute("aria-pressed", String(shown.isHot));
}

/** A button for each word, and one for all of them. */
function showHeatWords(chosen) {
  const [first] = shown.heats.values();
  const button = (name, index) => make("button", {
    type: "button", class: "chip", "aria-pressed": String(chosen === index),
    onclick: () => { for (const element of shown.heats.keys()) paint(element, index); showHeatWords(index); },
  }, name);
  at("heat-words").replaceChildren(button(word("allWords"), null), ...first.words.map((item, index) => button(item.word, index)));
  const isAnything = [...shown.heats.values()].some(({ map, words }) => Math.max(...(chosen === null ? map.heat : words[chosen]?.heat ?? [0])) > map.noise);
  at("heat-status").replaceChildren(isAnything ? make("span", { class: "legend", "aria-hidden": "true" }) : "", word(isAnything ? "heatLegend" : "heatNone"));
}

/** Draws the evidence of all words, or of one, over an image. Below the noise it is clear; four times the noise is the strongest. */
function paint(element, index) {
  const { map, words } = shown.heats.get(element);
  const values = index === null ? map.heat : words[index]?.heat ?? [];
  const image = element.querySelector("img");
  const canvas = element.querySelector("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const top = map.noise > 0 ? 4 * map.noise : Math.max(...values, 1e-6);
  const cells = new ImageData(map.columns, map.rows);
  values.forEach((value, place) => {
    const strength = Math.max(0, Math.min(1, (value - map.noise) / (top - map.noise)));
    cells.data.set([255, Math.round(190 * (1 - strength) + 30), 20, strength > 0 ? Math.round(60 + 130 * strength) : 0], 4 * place);
  });
  const small = make("canvas", { width: map.columns, height: map.rows });
  small.getContext("2d").putImageData(cells, 0, 0);
  // The grid lies over the smallest square around the region that the model saw.
  const scale = image.naturalWidth / map.image_width;
  const { x, y, width, height } = map.region;
  const side = Math.max(width, height);
  const context = canvas.getContext("2d");
  context.beginPath();
  context.rect(x * scale, y * scale, width * scale, height * scale);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(small, (x + (width - side) / 2) * scale, (y + (height - side) / 2) * scale, side * scale, side * scale);
}

// MARK: The patient's other studies

function studies(hit) {
  if (!hit.patient) return "";
  const list = make("ol", { class: "studies" });
  const button = make("button", {
    type: "button", onclick: async () => {
      button.disabled = true;
      const reply = await ask("studies", { id: hit.id, patient: hit.patient });
      const found = reply?.ok ? reply.objects : [];
      found.sort((a, b) => (b.date ?? "").localeCompare(a.date ?? ""));
      const mine = shown;
      list.replaceChildren(...found.map(study => make("li", {},
        make("button", { type: "button", onclick: () => openCase(study, [...mine.cases], mine.question, mine.steer) },
          pictureFor(study, 96), make("span", {}, make("strong", {}, factsOf(study) || study.id), chipsOf(study, 4))))));
      button.replaceWith(found.length ? "" : make("p", { class: "quiet" }, reply?.ok === false ? reply.text : word("noStudies")));
    },
  }, word("studies"));
  return make("section", {}, make("h3", {}, word("studies")), button, list);
}
