// What a hit shows: on its card, and wherever else a case stands.

import { at, excerpt, make, marked, pictureOf } from "./tools.js";
import { findingName, word } from "./words.js";

/** Marks of a report: the words that answered, and what it denies. */
export function marksOf(hit) {
  const marks = (hit.highlights ?? []).map(range => ({ range, name: "hit" }));
  for (const said of hit.said ?? []) if (said.assertion === "absent") marks.push({ range: said.range, name: "denied" });
  return marks;
}

/** Date, view and the like, in one line. */
export function factsOf(hit) {
  const views = (hit.images ?? []).map(image => image.view).filter(Boolean);
  const view = views.length > 1 ? [...new Set(views)].join(" + ") : hit.image_view ?? hit.view ?? views[0];
  return [hit.date, view, hit.modality, hit.site].filter(Boolean).join(" · ");
}

/** The findings of a case as a list: affirmed first, then uncertain, then denied. */
export function chipsOf(hit, most = 8) {
  const order = ["present", "uncertain", "absent"];
  const seen = new Set();
  const chips = [];
  const said = (hit.said ?? []).filter(item => order.includes(item.assertion));
  said.sort((a, b) => order.indexOf(a.assertion) - order.indexOf(b.assertion));
  for (const { name, side, assertion } of said) {
    const text = findingName(name, side);
    if (seen.has(text)) continue;
    seen.add(text);
    const mark = assertion === "present" ? "" : assertion === "absent" ? "− " : "? ";
    chips.push(make("li", { class: `chip ${assertion}` }, make("span", { class: "unseen" }, `${word(assertion)}: `), mark + text));
  }
  if (chips.length === 0) {
    for (const name of hit.findings ?? []) chips.push(make("li", { class: "chip present" }, findingName(name)));
  }
  return make("ul", { class: "chips" }, ...chips.slice(0, most));
}

/** The ranks and scores that brought a hit here. */
export function whyOf(hit) {
  const via = hit.via === "image" ? word("viaImage") : word("viaReport");
  const row = (name, rank, rest) => make("div", {},
    make("dt", {}, name), make("dd", {}, rank ? `${word("rank", { n: rank })} · ${rest}` : word("notFound")));
  if (hit.fused === undefined) {
    const cosine = word("cosine", { x: hit.score.toFixed(3) });
    return make("dl", { class: "why" }, row(word("byMeaning"), hit.rank, `${cosine} · ${via}`));
  }
  const { vector, words } = hit;
  return make("dl", { class: "why" },
    row(word("byMeaning"), vector?.rank, `${word("cosine", { x: (vector?.score ?? hit.score).toFixed(3) })} · ${via}`),
    row(word("byWords"), words?.rank, word("points", { x: (words?.score ?? 0).toFixed(1) })));
}

/** The picture of a hit, or a place that says there is none. */
export function pictureFor(hit, side, lazy = true) {
  if ((hit.images ?? []).length === 0) return make("span", { class: "no-picture" }, word("noImage"));
  return make("img", { src: pictureOf(hit.id, hit.image ?? 1, side), alt: "", loading: lazy ? "lazy" : "eager", decoding: "async" });
}

/**
 * One card.
 *
 * @param does what its buttons do: `open`, `like`, `unlike`.
 */
export function cardOf(hit, does) {
  const marks = marksOf(hit);
  const report = hit.report
    ? make("p", { class: "report" }, ...reportPieces(hit.report, marks))
    : make("p", { class: "report quiet" }, word("noReport"));
  const open = make("button", {
    type: "button", class: "open", "aria-label": word("open", { id: hit.id, rank: hit.rank }), onclick: () => does.open(hit),
  }, pictureFor(hit, 400), make("span", { class: "rank" }, String(hit.rank)));
  const others = hit.group?.others > 0 && hit.group.by === "patient"
    ? make("p", { class: "quiet" }, word("others", { n: hit.group.others })) : null;
  const card = make("li", { class: "card" },
    open,
    make("div", { class: "body" },
      make("h2", {}, hit.id),
      make("p", { class: "facts" }, factsOf(hit)),
      chipsOf(hit), report, whyOf(hit), others,
      make("div", { class: "actions" },
        make("button", { type: "button", "aria-label": `${word("moreLike")}: ${hit.id}`, onclick: () => does.like(hit.id) }, word("moreLikeShort")),
        make("button", { type: "button", "aria-label": `${word("notLike")}: ${hit.id}`, onclick: () => does.unlike(hit.id) }, word("notLikeShort")))));
  card.hit = hit;
  return card;
}

function reportPieces(report, marks) {
  const window = excerpt(report, marks.filter(mark => mark.name === "hit"));
  const end = new TextEncoder().encode(report).length;
  return [window[0] > 0 ? "… " : "", ...marked(report, marks, window), window[1] < end ? " …" : ""];
}

/** The card that has the focus; null where none has. */
export function focusedCard() { return document.activeElement?.closest?.(".card") ?? null; }

/** Moves the focus to the card of a case, if it is there. */
export function focusCard(id) {
  [...at("hits").children].find(card => card.hit.id === id)?.querySelector(".open").focus();
}

/** Moves the focus by so many cards. */
export function moveFocus(step) {
  const cards = [...at("hits").children];
  if (cards.length === 0) return;
  const place = cards.indexOf(focusedCard());
  const next = place < 0 ? (step > 0 ? 0 : cards.length - 1) : Math.max(0, Math.min(cards.length - 1, place + step));
  const button = cards[next].querySelector(".open");
  button.focus();
  cards[next].scrollIntoView({ block: "nearest" });
}
