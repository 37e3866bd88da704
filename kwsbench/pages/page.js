"use strict";
// Tables of class "comparison" are sorted by a click on a head (or Enter on its button) and filtered by words.
for (const table of document.querySelectorAll("table.comparison")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const first = [...rows];
  const value = (row, column) => {
    const given = row.cells[column]?.dataset.v ?? "";
    return given === "" ? NaN : Number(given);
  };
  const order = (column, falling) => (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (Number.isNaN(x) && Number.isNaN(y)) return first.indexOf(a) - first.indexOf(b);
    if (Number.isNaN(x)) return 1; // what has no number comes last either way
    if (Number.isNaN(y)) return -1;
    return falling ? y - x : x - y;
  };
  for (const button of table.querySelectorAll("thead button")) {
    const head = button.closest("th");
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = now === button.dataset.first ? (now === "descending" ? "ascending" : "descending") : now ? "" : button.dataset.first;
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      if (next) head.setAttribute("aria-sort", next);
      const sorted = next ? [...first].sort(order(head.cellIndex, next === "descending")) : first;
      body.append(...sorted);
    });
  }
  const box = document.querySelector(`input[data-table="${table.id}"]`);
  box?.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.cells[0].textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    box.nextElementSibling.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}
// What a mark of a drawing stands for is said beside the pointer at once; without scripts its title says it after a while.
const told = Object.assign(document.createElement("div"), { className: "told", hidden: true });
told.setAttribute("role", "tooltip");
document.body.append(told);
document.addEventListener("pointermove", ({ target, clientX, clientY }) => {
  const mark = target.closest("svg.chart :is([data-told], :has(> title))");
  const title = mark?.querySelector(":scope > title");
  if (title) {
    mark.dataset.told = title.textContent; // the browser's own would stand beside ours
    mark.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  told.hidden = !mark;
  if (!mark) return;
  told.textContent = mark.dataset.told;
  told.style.left = `${Math.min(clientX + 14, innerWidth - told.offsetWidth - 8)}px`;
  told.style.top = `${clientY + 18 + told.offsetHeight > innerHeight ? clientY - told.offsetHeight - 8 : clientY + 18}px`;
});
document.documentElement.classList.add("scripted");
