// The labels of the page in English and Japanese. They are in `labels.json`, which `hilum report` reads too.

import words from "./labels.js";

const { labels, keys, sides, findings } = words;

function stored() {
  try { return localStorage.getItem("hilum-language"); } catch { return null; }
}

let language = stored() ?? (navigator.language.startsWith("ja") ? "ja" : "en");

/** `en` or `ja`. */
export function currentLanguage() { return language; }

/** Switches between English and Japanese and remembers it in this browser. */
export function switchLanguage() {
  language = language === "ja" ? "en" : "ja";
  try { localStorage.setItem("hilum-language", language); } catch { /* the page works without memory */ }
}

/** The label of that name, with `{parts}` filled in. */
export function word(name, parts = {}) {
  const pair = labels[name];
  const text = pair[language === "ja" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (_, part) => String(parts[part]));
}

/** What a key of the metadata is called. */
export function keyName(key) {
  const pair = keys[key];
  return pair ? pair[language === "ja" ? 1 : 0] : key.replaceAll("_", " ");
}

/** A finding with its side: `effusion left`, or `左胸水`. */
export function findingName(text, side) {
  const parts = text.split(" ");
  if (!side && parts.length > 1 && sides[parts.at(-1)]) side = parts.pop();
  const plain = parts.join(" ").replaceAll("-", " ");
  if (language === "ja") return (sides[side]?.[1] ?? "") + (findings[plain.replaceAll(" ", "-")] ?? plain);
  return side ? `${plain} ${sides[side]?.[0] ?? side}` : plain;
}

/** Fills in the labels of all elements below `root` that name one. */
export function label(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = word(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", word(element.dataset.label));
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = word(element.dataset.placeholder);
  document.documentElement.lang = language;
}
