
"use strict";
for (const table of document.querySelectorAll("table.list")) {
  const body = table.tBodies[0];
  const tools = document.createElement("p");
  tools.className = "tools";
  const box = document.createElement("input");
  box.type = "search";
  box.name = "search";
  box.placeholder = "Search";
  box.setAttribute("aria-label", "Search this table");
  const shown = document.createElement("span");
  shown.setAttribute("role", "status");
  tools.append(box, shown);
  (table.closest(".wide") || table).before(tools);
  const texts = new Map();
  for (const row of body.rows) texts.set(row, row.textContent.toLowerCase());
  const narrow = () => {
    const wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const [row, text] of texts) {
      row.hidden = !wanted.every((word) => text.includes(word));
      if (!row.hidden) n++;
    }
    shown.textContent = wanted.length ? n + " of " + texts.size : texts.size + " rows";
  };
  box.addEventListener("input", narrow);
  narrow();
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, i) => row.cells[i].dataset.key || row.cells[i].textContent.trim();
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const collator = new Intl.Collator("en", { numeric: true });
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      rows.sort((a, b) => (down ? -1 : 1) * collator.compare(a[0], b[0]));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
}
const opened = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.open = true;
    opened.push(part);
  }
});
addEventListener("afterprint", () => {
  for (const part of opened.splice(0)) part.open = false;
});
