// The labels of the page in English and Japanese.

import { japaneseFindings } from "./findings.js";

const labels = {
  search: ["Search", "検索"],
  question: ["Question: words of a report, in English or Japanese", "質問:レポートの言葉(英語または日本語)"],
  placeholder: ["e.g. left pleural effusion, no pneumothorax", "例:左胸水、気胸なし"],
  image: ["Image…", "画像…"],
  chooseImage: ["Ask with an image: PNG, JPEG or DICOM", "画像で検索:PNG、JPEG、DICOM"],
  otherLanguage: ["日本語", "English"],
  otherLanguageName: ["日本語で表示 (show in Japanese)", "Show in English (英語で表示)"],
  keys: ["Keys and help", "キー操作とヘルプ"],
  filters: ["Filters", "絞り込み"],
  date: ["Date", "検査日"],
  from: ["from", "から"],
  to: ["to", "まで"],
  oneEach: ["One study of each patient", "患者ごとに1検査"],
  clearFilters: ["Clear filters", "絞り込みを解除"],
  yourQuestion: ["Your question", "現在の質問"],
  words: ["words", "言葉"],
  meaning: ["meaning", "意味"],
  wordsOrMeaning: ["How much words or meaning count", "言葉と意味の重み"],
  text: ["text", "文章"],
  examples: ["examples", "例"],
  textOrExamples: ["How much the text or the examples count", "文章と例の重み"],
  intro: [
    "Type what a report would say, or drop a radiograph anywhere on this page. Then go on from a case: “more like this”, “not like this”.",
    "レポートに書かれる言葉を入力するか、このページに画像をドロップしてください。見つかった症例から「似た症例」「似ていない症例」でさらに探せます。",
  ],
  archive: ["{n} cases in this archive", "登録症例数:{n}"],
  hits: ["Cases found", "見つかった症例"],
  more: ["Show more", "さらに表示"],
  notForCare: [
    "Findings are read from the reports. Ranks and heat maps show what the model answers to, not what is there. Not for diagnosis.",
    "所見はレポートから読み取ったものです。順位とヒートマップはモデルの反応を示すもので、診断には使えません。",
  ],
  dropHere: ["Drop the image to search with it", "画像をドロップして検索"],
  found: ["{n} cases in {ms} ms", "{n}件({ms}ミリ秒)"],
  foundOne: ["1 case in {ms} ms", "1件({ms}ミリ秒)"],
  foundNone: ["No case matches", "該当する症例はありません"],
  searching: ["Searching…", "検索中…"],
  unknown: ["No report contains: {words}", "どのレポートにもない言葉:{words}"],
  shortFilter: ["no more cases match the filters", "条件に合う症例はこれですべてです"],
  shortGroup: ["no more patients match", "該当する患者はこれですべてです"],
  noImage: ["no image", "画像なし"],
  noReport: ["No report", "レポートなし"],
  open: ["Open case {id}, rank {rank}", "症例{id}を開く(順位{rank})"],
  moreLike: ["More like this", "似た症例"],
  notLike: ["Not like this", "似ていない症例"],
  moreLikeShort: ["+ like this", "+ 似た症例"],
  notLikeShort: ["− not like this", "− 除く"],
  like: ["like", "似た"],
  unlike: ["not like", "除く"],
  remove: ["Remove {what} from the question", "質問から{what}を外す"],
  yourImage: ["your image", "指定した画像"],
  byMeaning: ["Meaning", "意味"],
  byWords: ["Words", "言葉"],
  rank: ["rank {n}", "{n}位"],
  cosine: ["cosine {x}", "類似度 {x}"],
  points: ["{x} points", "{x} 点"],
  notFound: ["not found by it", "該当なし"],
  viaImage: ["by its image", "画像による"],
  viaReport: ["by its report", "レポートによる"],
  others: ["{n} more studies of this patient", "この患者の他の{n}検査"],
  studies: ["Other studies of this patient", "この患者の他の検査"],
  noStudies: ["There are no other studies of this patient.", "この患者の他の検査はありません。"],
  close: ["Close", "閉じる"],
  previous: ["Previous", "前へ"],
  next: ["Next", "次へ"],
  report: ["Report", "レポート"],
  findings: ["Findings in the report", "レポートの所見"],
  why: ["Why it was found", "見つかった理由"],
  facts: ["About the case", "症例情報"],
  heat: ["Where the words are", "言葉の位置"],
  heatWords: ["Words to look for in the images", "画像の中で探す言葉"],
  heatShow: ["Show heat map", "ヒートマップを表示"],
  heatHide: ["Hide heat map", "ヒートマップを隠す"],
  heatWait: ["Computing… the first time takes some seconds", "計算中…(初回は数秒かかります)"],
  heatNone: ["No part of the image answers more than to words without meaning.", "意味のない言葉以上に反応する部分はありません。"],
  heatLegend: ["weak to strong answer of the model", "モデルの反応:弱い→強い"],
  allWords: ["all words", "すべて"],
  imageOf: ["Image {n} of case {id}", "症例{id}の画像{n}"],
  queryImage: ["Your image", "指定した画像"],
  exampleImage: ["Example {id}", "例 {id}"],
  present: ["affirmed", "あり"],
  absent: ["denied", "なし"],
  uncertain: ["uncertain", "疑い"],
  other: ["of another time", "過去・その他"],
  help: ["Keys", "キー操作"],
  keyAsk: ["type a question", "質問を入力"],
  keyMove: ["next, previous case", "次・前の症例"],
  keyOpen: ["open the case", "症例を開く"],
  keyMore: ["more like this", "似た症例を探す"],
  keyNot: ["not like this", "似ていない症例を探す"],
  keyHeat: ["heat map, in an open case", "ヒートマップ(症例表示中)"],
  keyFilters: ["filters", "絞り込み"],
  keyClose: ["close", "閉じる"],
  syntax: [
    "\"a phrase\", word*, -word; “no effusion” asks for reports that deny it; a finding alone asks for reports that affirm it.",
    "\"語句\"、word*、-word。「胸水なし」は否定するレポートを、所見名だけなら肯定するレポートを探します。",
  ],
  failed: ["The question was not answered", "回答できませんでした"],
  gone: ["This image is not here any more; drop it again.", "画像は残っていません。もう一度ドロップしてください。"],
  unreachable: ["The daemon does not answer; start hilum view again.", "サーバーが応答しません。hilum view を再起動してください。"],
  tooLarge: ["The image is larger than 64 MiB.", "画像が64 MiBを超えています。"],
};

const keys = {
  affirmed: ["Affirmed in the report", "レポートの所見"],
  view: ["View", "撮影方向"],
  modality: ["Modality", "モダリティ"],
  site: ["Site", "施設"],
  sex: ["Sex", "性別"],
  body_part: ["Body part", "部位"],
  date: ["Date", "検査日"],
  patient: ["Patient", "患者"],
  age: ["Age", "年齢"],
};

const sides = { left: ["left", "左"], right: ["right", "右"], bilateral: ["bilateral", "両側"] };

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
  if (language === "ja") return (sides[side]?.[1] ?? "") + (japaneseFindings[plain.replaceAll(" ", "-")] ?? plain);
  return side ? `${plain} ${sides[side]?.[0] ?? side}` : plain;
}

/** Fills in the labels of all elements below `root` that name one. */
export function label(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = word(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", word(element.dataset.label));
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = word(element.dataset.placeholder);
  document.documentElement.lang = language;
}
