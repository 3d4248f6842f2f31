// The pages work without this. It hides rows while one types, opens what a link points at, and looks again while a run is on.
"use strict";

for (const input of document.querySelectorAll("[data-filters]")) {
  const rows = [...document.getElementById(input.dataset.filters).tBodies].flatMap((body) => [...body.rows]);
  const count = document.querySelector("[data-count]");
  input.addEventListener("input", () => {
    const text = input.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = !(row.dataset.text ?? row.textContent).toLowerCase().includes(text);
    }
    if (count) count.textContent = rows.filter((row) => !row.hidden).length;
  });
}

const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (target?.tagName === "DETAILS") {
  target.open = true;
  target.scrollIntoView();
}

if (document.querySelector("[data-reload]")) {
  setTimeout(() => {
    const isReading = document.querySelector("details[open]") || document.activeElement?.matches("input, select");
    if (!isReading) location.reload();
  }, 3000);
}
