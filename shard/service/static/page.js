// The forms work without this: they load the page anew. With it the picture changes in place, and
// an error is told in its own words.
"use strict";

const result = document.querySelector(".result");
const stage = result && result.querySelector(".stage");
const caption = result && result.querySelector("figcaption");
const failure = result && result.querySelector(".error");
let latest = 0;

function address(form) {
  const values = new FormData(form);
  const segments = (text) => text.split("/").map(encodeURIComponent).join("/");
  if (form.dataset.kind === "thumb") {
    const source = values.get("source") ? encodeURIComponent(values.get("source")) + "/" : "";
    return `thumb/${encodeURIComponent(values.get("rendition"))}/${source}${segments(values.get("key"))}`;
  }
  const frame = encodeURIComponent(values.get("frame"));
  values.delete("frame");
  const query = new URLSearchParams([...values].filter(([, value]) => value !== ""));
  query.set("image", "inline");
  return `${frame}/?${query}`;
}

async function show(url) {
  const mine = ++latest;
  result.setAttribute("aria-busy", "true");
  failure.hidden = true;
  const link = document.createElement("a");
  link.href = url;
  link.textContent = url;
  caption.replaceChildren(link);
  let said = "";
  let picture = null;
  try {
    const answer = await fetch(url);
    if (answer.ok) picture = await answer.blob();
    else said = (await answer.json()).message || `status ${answer.status}`;
  } catch (error) {
    said = "The service does not answer.";
  }
  if (mine !== latest) return;
  result.setAttribute("aria-busy", "false");
  if (picture) {
    const image = new Image();
    image.alt = "The picture that was asked for";
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    image.src = URL.createObjectURL(picture);
    stage.replaceChildren(image);
  } else {
    stage.replaceChildren();
    failure.textContent = said;
    failure.hidden = false;
  }
}

for (const form of document.querySelectorAll("form[data-kind]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `?${new URLSearchParams(new FormData(form))}`);
    show(address(form));
    result.scrollIntoView({ block: "nearest" });
  });
}
const asked = stage && stage.querySelector("img");
if (asked) {
  show(asked.getAttribute("src"));
  result.scrollIntoView({ block: "nearest" }); // on a phone it lies below the forms
}
