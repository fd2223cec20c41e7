// The question: its parts, the address that reopens it, and what is sent for it.

const firstHits = 12;
const mostHits = 96;

/** A question without any part. */
export function emptyQuestion() {
  return {
    text: "", like: [], unlike: [], upload: null, filters: {}, from: "", to: "", group: true, words: 0, examples: 0,
    k: firstHits,
  };
}

/** Whether there is anything to search with. */
export function hasParts(question) { return Boolean(question.text || question.like.length || question.upload); }

/** Whether vectors and words both answer, so that they can be weighed. */
export function hasWords(question) { return Boolean(question.text); }

/** Whether a text stands beside examples, so that they can be weighed. */
export function hasExamples(question) { return Boolean(question.text && (question.like.length || question.upload)); }

/** The question as the part of the address behind `#`. */
export function toHash(question) {
  const parts = new URLSearchParams();
  if (question.text) parts.set("q", question.text);
  for (const id of question.like) parts.append("like", id);
  for (const id of question.unlike) parts.append("unlike", id);
  if (question.upload) parts.set("upload", question.upload);
  for (const [key, values] of Object.entries(question.filters)) for (const value of values) parts.append(`f.${key}`, value);
  for (const name of ["from", "to"]) if (question[name]) parts.set(name, question[name]);
  if (!question.group) parts.set("group", "0");
  for (const name of ["words", "examples"]) if (question[name]) parts.set(name, question[name]);
  if (question.k !== firstHits) parts.set("k", question.k);
  return parts.toString();
}

/** The question that an address names; what it does not understand is left out. */
export function fromHash(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const question = emptyQuestion();
  const step = name => Math.max(-4, Math.min(4, Math.round(Number(parts.get(name)) || 0)));
  question.text = parts.get("q") ?? "";
  question.like = parts.getAll("like").slice(0, 8);
  question.unlike = parts.getAll("unlike").slice(0, 8);
  question.upload = parts.get("upload");
  for (const [name, value] of parts) {
    if (name.startsWith("f.")) (question.filters[name.slice(2)] ??= []).push(value);
  }
  question.from = parts.get("from") ?? "";
  question.to = parts.get("to") ?? "";
  question.group = parts.get("group") !== "0";
  question.words = step("words");
  question.examples = step("examples");
  question.k = Math.max(1, Math.min(mostHits, Math.round(Number(parts.get("k")) || firstHits)));
  return question;
}

/** More hits for the same question; false where there are as many as there may be. */
export function widen(question) {
  if (question.k >= mostHits) return false;
  question.k = Math.min(mostHits, question.k * 2);
  return true;
}

/** The filters as they are sent: facet values, and the dates as a range. */
export function filtersOf(question) {
  const filters = { ...question.filters };
  if (question.from || question.to) filters.date = [`${question.from}..${question.to}`];
  return filters;
}

/** What is sent to `search`. */
export function searchBody(question, group = question.group) {
  const body = { k: question.k, filters: filtersOf(question), group, weights: {} };
  if (question.text) body.text = question.text;
  if (question.like.length) body.like = question.like;
  if (question.unlike.length) body.unlike = question.unlike;
  if (question.upload) body.upload = question.upload;
  // Examples would be the first hits; who gives them knows them.
  if (question.like.length || question.unlike.length) body.others = true;
  if (hasWords(question) && question.words !== 0) {
    if (question.words === 4) body.mode = "vector";
    else if (question.words === -4) body.mode = "words";
    else body.weights.words = 2 ** -question.words;
  }
  if (hasExamples(question) && question.examples !== 0) {
    body.weights.text = 2 ** (-question.examples / 2);
    const weight = 2 ** (question.examples / 2);
    if (question.like.length) body.weights.id = weight;
    if (question.upload) body.weights.image = weight;
  }
  return body;
}
