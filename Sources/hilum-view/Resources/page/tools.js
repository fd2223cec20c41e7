// Small helpers: elements, requests, and text marked by UTF-8 bytes.

/** The element with that id. */
export const at = id => document.getElementById(id);

/** A new element. Text always becomes text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

/** Sends a question and reads the answer; a failure is an answer too: `{ok: false, code, text}`. */
export async function ask(name, body, signal) {
  try {
    const isFile = body instanceof Blob;
    const reply = await fetch(name, { method: "POST", body: isFile ? body : JSON.stringify(body), signal });
    if (reply.status === 413) return { ok: false, code: "LIMIT", text: "" };
    if (!reply.ok) return { ok: false, code: "FAILED", text: await reply.text() };
    return await reply.json();
  } catch (error) {
    if (error.name === "AbortError") return null;
    return { ok: false, code: "UNREACHABLE", text: "" };
  }
}

/** The address of a picture of a case. */
export function pictureOf(id, place, side) {
  return `picture?${new URLSearchParams({ id, place, side })}`;
}

/** The address of a picture that was sent. */
export function pictureOfUpload(upload, side) { return `picture?${new URLSearchParams({ upload, side })}`; }

/**
 * Pieces of a report as elements: `marks` are `{range: [from, to], name}` in UTF-8 bytes, and may overlap.
 *
 * @param window the bytes that are shown, `[from, to]`.
 */
export function marked(text, marks, window) {
  const bytes = new TextEncoder().encode(text);
  const [first, last] = window ?? [0, bytes.length];
  const cuts = new Set([first, last]);
  for (const { range } of marks) for (const cut of range) if (cut > first && cut < last) cuts.add(cut);
  const places = [...cuts].sort((a, b) => a - b);
  const decoder = new TextDecoder();
  const pieces = [];
  for (let index = 0; index + 1 < places.length; index++) {
    const [from, to] = [places[index], places[index + 1]];
    const names = marks.filter(mark => mark.range[0] <= from && mark.range[1] >= to).map(mark => mark.name);
    const piece = decoder.decode(bytes.slice(from, to));
    const isHit = names.includes("hit");
    pieces.push(names.length === 0 ? piece : make(isHit ? "mark" : "span", { class: [...new Set(names)].join(" ") }, piece));
  }
  return pieces;
}

/** The bytes of a report to show on a card: its start, or what lies around the first mark where that is further on. */
export function excerpt(text, marks, length = 260) {
  const bytes = new TextEncoder().encode(text);
  const first = Math.min(...marks.map(mark => mark.range[0]), bytes.length);
  // At the beginning of a word, or of a character where words have no blanks between them.
  const isInside = place => (bytes[place] & 0xc0) === 0x80;
  const isBlank = place => bytes[place] === 32 || bytes[place] === 10;
  const settle = place => {
    for (let near = place; near < Math.min(bytes.length, place + 20); near++) if (isBlank(near)) return near + 1;
    while (place < bytes.length && isInside(place)) place++;
    return place;
  };
  const from = first < bytes.length && first > length / 2 ? Math.min(settle(first - 60), first) : 0;
  return [from, from + length >= bytes.length ? bytes.length : settle(from + length)];
}
