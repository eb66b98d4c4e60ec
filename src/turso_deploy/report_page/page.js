"use strict";
// The rows are not laid out before all are there: the first ones are enough then.
document.documentElement.classList.add("loading");
document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.classList.remove("loading");
  const STEP = 200; // rows that are laid out at once
  const table = document.getElementById("rows");
  if (!table) return;
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const all = [...body.rows].map((element) => {
    const cells = [...element.cells];
    return {
      element,
      keys: cells.map((cell) => cell.dataset.order || cell.textContent),
      text: cells.map((cell) => cell.textContent).join("\n").toLowerCase(),
    };
  });
  const collator = new Intl.Collator("en", { numeric: true });
  let order = all;
  let limit = STEP;

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? order.filter((row) => words.every((word) => row.text.includes(word))) : order;
    body.replaceChildren(...found.slice(0, limit).map((row) => row.element));
    const left = found.length - limit;
    count.value = `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} found`;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(left, STEP * 5).toLocaleString("en")} more`;
  };

  const sort = (column, heading) => {
    const direction = heading.ariaSort === "ascending" ? -1 : 1;
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.ariaSort = direction === 1 ? "ascending" : "descending";
    order = [...all].sort((one, other) => {
      const [a, b] = [one.keys[column], other.keys[column]];
      if (!a || !b) return !a - !b; // empty cells are last in both directions
      return direction * collator.compare(a, b);
    });
    show();
  };

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(column, heading));
    heading.replaceChildren(button);
  });
  search.addEventListener("input", () => {
    limit = STEP;
    show();
  });
  more.addEventListener("click", () => {
    limit += STEP * 5;
    show();
  });
  document.querySelector(".tools").hidden = false;
  show();
});
