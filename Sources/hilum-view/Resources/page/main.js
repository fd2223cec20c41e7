// The page: asks, shows what was found, and keeps the address, so that it reopens the same question.

import { caseIsOpen, lastHit, openCase, shownHit, stepCase, toggleHeat } from "./case.js";
import { cardOf, focusCard, focusedCard, moveFocus } from "./hits.js";
import {
  emptyQuestion, filtersOf, fromHash, hasExamples, hasParts, hasWords, searchBody, toHash, widen,
} from "./question.js";
import { ask, at, make, pictureOf, pictureOfUpload } from "./tools.js";
import { currentLanguage, findingName, keyName, label, switchLanguage, word } from "./words.js";

const facetKeys = ["affirmed", "view", "modality", "site"];
/** Free keys that are shown where cases have them. */
const usualKeys = ["sex", "body_part"];
/** Keys that take no part in one request beyond this number. */
const mostFacets = 16;
const mostExamples = 8;

let question = fromHash(location.hash);
let answer = null;
let running = null;
let archive = null;
/** Further keys of the metadata whose values are shown, although nothing is filtered by them yet. */
const addedKeys = [];

// MARK: Asking

/** Puts the question into the address and asks it. */
function go({ replace = false } = {}) {
  const address = `#${toHash(question)}`;
  if (address !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", address);
  search();
}

async function search() {
  showQuestion();
  running?.abort();
  loadFacets();
  if (!hasParts(question)) {
    answer = null;
    return showAnswer();
  }
  const started = performance.now();
  running = new AbortController();
  at("hits").setAttribute("aria-busy", "true");
  const signal = running.signal;
  let reply = await ask("search", searchBody(question), signal);
  // An archive in which no case has a patient has nothing to group by.
  if (reply?.code === "BADREQ" && question.group && reply.text.includes("patient")) {
    reply = await ask("search", searchBody(question, false), signal);
  }
  if (!reply) return;
  answer = reply;
  showAnswer();
  const time = Math.round(performance.now() - started);
  if (reply.ok) at("status").textContent = summary(reply, time);
  document.body.dataset.answeredIn = String(time);
}

function summary(reply, time) {
  const n = reply.objects.length;
  const parts = [word(n === 0 ? "foundNone" : n === 1 ? "foundOne" : "found", { n, ms: time })];
  if (reply.status.short === "filter") parts.push(word("shortFilter"));
  if (reply.status.short === "group") parts.push(word("shortGroup"));
  if (reply.status.unknown) parts.push(word("unknown", { words: reply.status.unknown }));
  const plain = (names) => names.replaceAll(" ", ", ").replaceAll("-", " ");
  if (reply.status.unsaid) parts.push(word("unsaid", { names: plain(reply.status.unsaid) }));
  if (reply.status.wider) parts.push(word("wider", { names: plain(reply.status.wider) }));
  return parts.join(" · ");
}

function showAnswer() {
  const hits = at("hits");
  hits.removeAttribute("aria-busy");
  at("intro").hidden = answer !== null;
  const isRefused = answer !== null && !answer.ok;
  at("problem").hidden = !isRefused;
  if (isRefused) at("problem").textContent = problem(answer);
  if (!answer?.ok) at("status").textContent = "";
  const cases = answer?.ok ? answer.objects : [];
  const does = { open: hit => openCase(hit, cases, question, steer), like: addLike, unlike: addUnlike };
  hits.replaceChildren(...cases.map(hit => cardOf(hit, does)));
  at("more").hidden = cases.length < question.k || question.k >= 96;
}

function problem({ code, text }) {
  if (code === "GONE") return word("gone");
  if (code === "UNREACHABLE") return word("unreachable");
  if (code === "LIMIT" && !text) return word("tooLarge");
  return text ? `${word("failed")}: ${text}` : word("failed");
}

// MARK: The question

function addLike(id) { addExample("like", "unlike", id); }
function addUnlike(id) { addExample("unlike", "like", id); }

/** What an open case can do with the question. */
const steer = { like: addLike, unlike: addUnlike };

function addExample(list, other, id) {
  question[other] = question[other].filter(known => known !== id);
  if (!question[list].includes(id)) question[list] = [...question[list], id].slice(-mostExamples);
  // To be unlike something needs something to be like.
  question.k = emptyQuestion().k;
  go();
  at("results").focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function showQuestion() {
  if (document.activeElement !== at("text") || question.text) at("text").value = question.text;
  at("from").value = question.from;
  at("to").value = question.to;
  at("group").checked = question.group;
  at("words").value = String(question.words);
  at("examples").value = String(question.examples);
  at("words-slider").hidden = !hasWords(question);
  at("examples-slider").hidden = !hasExamples(question);
  const parts = [];
  if (question.upload) {
    parts.push(part("image", word("yourImage"), pictureOfUpload(question.upload, 64), () => { question.upload = null; }));
  }
  for (const list of ["like", "unlike"]) {
    for (const id of question[list]) {
      parts.push(part(list, id, pictureOf(id, 1, 64), () => { question[list] = question[list].filter(known => known !== id); }));
    }
  }
  at("parts").replaceChildren(...parts);
  at("question").hidden = parts.length === 0 && !hasWords(question);
}

function part(kind, name, picture, remove) {
  const image = make("img", { src: picture, alt: "", class: "small" });
  image.addEventListener("error", () => image.remove());
  const text = kind === "image" ? name : `${word(kind)} ${name}`;
  return make("li", { class: `part ${kind}` }, image, make("span", {}, text),
    make("button", { type: "button", "aria-label": word("remove", { what: name }), onclick: () => { remove(); go(); } }, "×"));
}

async function useImage(file) {
  if (!file) return;
  at("status").textContent = word("searching");
  const reply = await ask("image", file);
  if (!reply.ok) {
    answer = reply;
    return showAnswer();
  }
  question.upload = reply.upload;
  go();
}

// MARK: Filters

async function loadFacets() {
  const mine = toHash(question);
  const keys = shownKeys();
  const reply = await ask("facets", { keys, filters: filtersOf(question) });
  if (!reply?.answers || mine !== toHash(question)) return;
  const boxes = [];
  reply.answers.forEach((facet, index) => {
    if (facet.ok && (facet.objects.length > 0 || question.filters[keys[index]])) boxes.push(facetBox(keys[index], facet.objects));
  });
  const focused = document.activeElement?.dataset?.value;
  at("facets").replaceChildren(...boxes);
  if (focused) document.querySelector(`#facets [data-value=${CSS.escape(focused)}]`)?.focus();
  offerKeys();
  const count = Object.values(filtersOf(question)).flat().length;
  at("filter-count").textContent = count ? String(count) : "";
}

/** The keys whose values are shown: the usual ones, those that filter, and those that were added. */
function shownKeys() {
  const usual = usualKeys.filter(key => archive?.keys?.includes(key));
  return [...new Set([...facetKeys, ...usual, ...Object.keys(question.filters), ...addedKeys])].slice(0, mostFacets);
}

/** Offers the free keys of the metadata that are not shown yet. */
function offerKeys() {
  const shown = new Set([...shownKeys(), "date"]);
  // A key that the protocol would not take as a filter is left out.
  const free = (archive?.keys ?? []).filter(key => !shown.has(key) && /^[a-z_][a-z0-9_.]*$/.test(key));
  const options = free.map(key => make("option", { value: key }, keyName(key)));
  at("add-key").replaceChildren(make("option", { value: "" }, "–"), ...options);
  at("add-filter").hidden = free.length === 0;
}

function facetBox(key, values) {
  const chosen = question.filters[key] ?? [];
  const known = new Set(values.map(item => item.value));
  const all = [...chosen.filter(value => !known.has(value)).map(value => ({ value, count: 0 })), ...values];
  const rows = all.filter(item => !item.value.includes(",") && !item.value.includes("..")).map(({ value, count }) => {
    const input = make("input", {
      type: "checkbox", checked: chosen.includes(value), "data-value": `${key}=${value}`,
      onchange: event => {
        const rest = (question.filters[key] ?? []).filter(other => other !== value);
        question.filters[key] = event.target.checked ? [...rest, value] : rest;
        if (question.filters[key].length === 0) delete question.filters[key];
        question.k = emptyQuestion().k;
        go();
      },
    });
    const name = key === "affirmed" ? findingName(value) : value;
    return make("label", { class: "check" }, input, make("span", { class: "name" }, name),
      make("span", { class: "count" }, count.toLocaleString(currentLanguage())));
  });
  return make("fieldset", {}, make("legend", {}, keyName(key)), ...rows);
}

// MARK: Keys

const keyRows = () => [
  ["/", word("keyAsk")], ["j  k", word("keyMove")], ["Enter", word("keyOpen")], ["m", word("keyMore")], ["n", word("keyNot")],
  ["h", word("keyHeat")], ["f", word("keyFilters")], ["Esc", word("keyClose")],
];

function showKeys() {
  const rows = keyRows().map(([key, text]) => make("div", {}, make("dt", {}, ...key.split("  ").map(one => make("kbd", {}, one))), make("dd", {}, text)));
  at("keys").replaceChildren(
    make("h2", { id: "keys-title" }, word("help")), make("dl", { class: "keys" }, ...rows), make("p", {}, word("syntax")),
    make("form", { method: "dialog" }, make("button", {}, word("close"))));
  at("keys").showModal();
}

function isTyping(target) { return target.matches?.("input[type=search], input[type=text], textarea, select"); }

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
  const hit = caseIsOpen() ? shownHit() : focusedCard()?.hit;
  const actions = {
    "/": () => { at("case").close(); at("text").focus(); at("text").select(); },
    "?": showKeys,
    j: () => (caseIsOpen() ? stepCase(1) : moveFocus(1)),
    k: () => (caseIsOpen() ? stepCase(-1) : moveFocus(-1)),
    m: () => { if (hit) { at("case").close(); addLike(hit.id); } },
    n: () => { if (hit) { at("case").close(); addUnlike(hit.id); } },
    h: () => { if (caseIsOpen()) toggleHeat(); },
    f: () => { at("filters").open = true; at("filters").querySelector("input")?.focus(); },
  };
  const action = actions[event.key];
  if (!action || (at("keys").open && event.key !== "?")) return;
  event.preventDefault();
  action();
}

// MARK: Beginning

function relabel() {
  label(document);
  document.title = question.text ? `${question.text} – Hilum` : "Hilum";
  at("archive").textContent = archive ? word("archive", { n: archive.cases.toLocaleString(currentLanguage()) }) : "";
}

function onSlider(name) {
  at(name).addEventListener("change", () => { question[name] = Number(at(name).value); go(); });
}

function listen() {
  at("ask").addEventListener("submit", event => {
    event.preventDefault();
    question.text = at("text").value.trim();
    question.k = emptyQuestion().k;
    relabel();
    go();
    // So that the next key moves among the cases, and a narrow screen puts its keyboard away.
    at("results").focus({ preventScroll: true });
  });
  at("choose").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", () => { useImage(at("file").files[0]); at("file").value = ""; });
  at("language").addEventListener("click", () => { switchLanguage(); relabel(); showAnswer(); search(); });
  at("help").addEventListener("click", showKeys);
  // The browser would go back to the card that was opened, although j and k have gone on from there.
  at("case").addEventListener("close", () => { if (focusedCard()) focusCard(lastHit()?.id); });
  at("more").addEventListener("click", () => { if (widen(question)) go({ replace: true }); });
  at("group").addEventListener("change", () => { question.group = at("group").checked; go(); });
  for (const name of ["from", "to"]) {
    at(name).addEventListener("change", () => { question[name] = at(name).value.trim(); go(); });
  }
  at("add-key").addEventListener("change", () => {
    if (at("add-key").value) addedKeys.push(at("add-key").value);
    loadFacets();
  });
  at("clear-filters").addEventListener("click", () => { Object.assign(question, { filters: {}, from: "", to: "" }); go(); });
  onSlider("words");
  onSlider("examples");
  addEventListener("popstate", () => { question = fromHash(location.hash); at("case").close(); relabel(); search(); });
  addEventListener("keydown", onKey);
  addEventListener("paste", event => useImage([...event.clipboardData.files][0]));
  addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("dragging"); });
  addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
  addEventListener("drop", event => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    useImage(event.dataTransfer.files[0]);
  });
}

// On a narrow screen the filters wait until they are asked for.
at("filters").open = matchMedia("(min-width: 900px)").matches;
listen();
relabel();
search();
ask("hello", {}).then(reply => {
  if (reply?.ok) archive = reply.objects[0];
  relabel();
  if (usualKeys.some(key => archive?.keys?.includes(key))) loadFacets();
  offerKeys();
  document.body.dataset.ready = "1";
});
