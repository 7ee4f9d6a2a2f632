// The values under the pointer. The page is whole without it.
for (const chart of document.querySelectorAll("svg.chart[data-x]")) {
  const [left, right, top, bottom] = document.body.dataset.plot.split(" ").map(Number);
  const [x0, x1] = chart.dataset.x.split(" ").map(Number);
  const [y0, y1] = chart.dataset.y.split(" ").map(Number);
  const log = chart.dataset.log === "1";
  const lines = [...chart.querySelectorAll("path[data-name]")].map(path => ({
    name: path.dataset.name,
    points: [...path.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)].map(m => [+m[1], +m[2]]),
  })).filter(line => line.points.length);
  const readout = chart.parentNode.querySelector(".readout");
  const cursor = document.createElementNS(chart.namespaceURI, "line");
  const short = v => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : Number(v.toPrecision(3)).toString();
  cursor.setAttribute("class", "cursor");
  chart.append(cursor);
  chart.addEventListener("pointermove", event => {
    const box = chart.getBoundingClientRect();
    const at = Math.min(right, Math.max(left, (event.clientX - box.left) * chart.viewBox.baseVal.width / box.width));
    for (const [key, value] of Object.entries({x1: at, x2: at, y1: top, y2: bottom})) cursor.setAttribute(key, value);
    const said = lines.map(line => {
      const near = line.points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
      const part = (bottom - near[1]) / (bottom - top);
      return line.name + " " + short(log ? y0 * (y1 / y0) ** part : y0 + part * (y1 - y0));
    });
    readout.textContent = short(x0 + (at - left) / (right - left) * (x1 - x0)) + ": " + said.join(", ");
    chart.classList.add("hovered");
  });
  chart.addEventListener("pointerleave", () => {
    readout.textContent = "";
    chart.classList.remove("hovered");
  });
}
