// What a page owes to those who see little or nothing of it, and to those who see it in the dark: a list of what is wrong.
() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (one) => one.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true });
  const called = (one) => one.outerHTML.replace(/\s+/g, " ").slice(0, 140);
  const fault = (what, one) => faults.push(one ? `${what}: ${called(one)}` : what);
  for (const one of all("details")) one.open = true;

  if (!document.documentElement.lang) fault("no language");
  if (!document.title.replace("· Postroad", "").trim()) fault("no title");
  if (all("main").filter(shown).length !== 1) fault("not one main part");
  const headings = all("h1, h2, h3, h4, h5, h6").filter(shown);
  if (headings.filter((one) => one.tagName === "H1").length !== 1) fault("not one h1");
  headings.reduce((before, one) => {
    const level = Number(one.tagName[1]);
    if (level > before + 1) fault(`a heading jumps from ${before} to ${level}`, one);
    return level;
  }, 0);

  // A placeholder is no name: it goes with the first letter.
  for (const one of all("input:not([type=hidden], [aria-hidden=true]), select, textarea").filter(shown)) {
    if (!one.labels?.length && !one.ariaLabel && !one.hasAttribute("aria-labelledby")) fault("a field without a label", one);
  }
  for (const one of all("img").filter(shown)) if (!one.hasAttribute("alt")) fault("a picture without its words", one);
  for (const one of all("svg, canvas").filter(shown)) {
    if (!one.closest("[aria-hidden=true], [role=img][aria-label]")) fault("a drawing that is neither named nor hidden", one);
  }
  for (const one of all("iframe")) if (!one.title) fault("a frame without a title", one);

  const ids = all("[id]").map((one) => one.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) fault(`more than one ${id}`);
  for (const name of ["aria-describedby", "aria-labelledby", "aria-controls", "for"]) {
    for (const one of all(`[${name}]`)) {
      if (one.id === "dialog") continue;
      for (const id of one.getAttribute(name).split(/\s+/)) if (id && !document.getElementById(id)) fault(`${name} leads nowhere`, one);
    }
  }
  for (const one of all(".error").filter(shown)) {
    if (!one.id || !document.querySelector(`[aria-invalid="true"][aria-describedby~="${one.id}"]`)) fault("an error that no field has", one);
  }
  for (const one of all("[aria-invalid=true]")) if (!one.getAttribute("aria-describedby")) fault("a field that does not say what is wrong", one);

  for (const one of all("table:not(.u-legend)").filter(shown)) {
    const heads = [...one.querySelectorAll("th")];
    if (!heads.length || one.querySelector("thead td")) fault("a table without header cells", one);
    for (const head of heads) if (!head.textContent.trim()) fault("an empty header cell", head);
  }

  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const ground = (one) => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const check = (one, style, text) => {
    const below = ground(one);
    const [light, dark] = [luminance(over(rgba(style.color), below)), luminance(below)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < wanted) faults.push(`${ratio.toFixed(2)}:1 of ${text.trim().slice(0, 30)}: ${called(one)}`);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    const isText = texts.currentNode.data.trim() && !one.closest("script, noscript, option, .visually-hidden, :disabled");
    if (isText && shown(one)) check(one, getComputedStyle(one), texts.currentNode.data);
  }
  for (const one of all("body *").filter(shown)) {
    if (one.placeholder) check(one, getComputedStyle(one, "::placeholder"), one.placeholder);
    if (["INPUT", "SELECT", "TEXTAREA"].includes(one.tagName)) check(one, getComputedStyle(one), one.tagName);
    const before = getComputedStyle(one, "::before");
    if (/\w/.test(before.content.replace(/^(none|normal|counter.*)$/, ""))) check(one, before, before.content);
  }
  return faults;
}
