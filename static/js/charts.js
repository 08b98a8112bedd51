// The workshop's pictures: <div data-chart="curve|reliability|histogram" data-values="JSON">. Their tables say the same.
import { bars, curve, reliability } from "./chart_options.js";

const OPTIONS = { curve, reliability, histogram: bars };
const drawn = new Map();

// A canvas knows neither variables nor mixed colours: the browser works them out and paints one point.
const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", {
  willReadFrequently: true,
});

function colour(probe, name) {
  probe.style.color = `var(${name})`;
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = getComputedStyle(probe).color;
  brush.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
}

function palette() {
  const probe = document.body.appendChild(document.createElement("span"));
  const of = (name) => colour(probe, name);
  const found = {
    text: of("--tblr-body-color"),
    quiet: of("--tblr-secondary"),
    line: of("--tblr-border-color"),
    surface: of("--tblr-bg-surface"),
    main: of("--ra-for"),
    against: of("--ra-against"),
    good: of("--tblr-green"),
    warn: of("--tblr-yellow"),
    font: getComputedStyle(document.body).fontFamily,
  };
  probe.remove();
  return found;
}

function draw(box) {
  const estimate = document.querySelector("[data-estimate]");
  const values = JSON.parse(box.dataset.values);
  if (!values) return;
  let chart = drawn.get(box);
  if (!chart) {
    chart = window.echarts.init(box, null, { renderer: "canvas" });
    drawn.set(box, chart);
    new ResizeObserver(() => drawn.has(box) && chart.resize()).observe(box);
    if (box.dataset.chart === "curve") drag(box, chart);
  }
  chart.setOption(OPTIONS[box.dataset.chart](values, estimate ? estimate.dataset : {}, palette()), true);
}

function drawAll() {
  for (const [box, chart] of drawn) {
    if (!box.isConnected) {
      chart.dispose();
      drawn.delete(box);
    }
  }
  document.querySelectorAll("[data-chart]").forEach(draw);
}

// Up and down asks for a target error, left and right for the threshold of that share.
function drag(box, chart) {
  let isDown = false;
  const choose = (event) => {
    if (!chart.containPixel("grid", [event.offsetX, event.offsetY])) return;
    const [share, error] = chart.convertFromPixel("grid", [event.offsetX, event.offsetY]);
    if (document.querySelector("#id_by_threshold").checked) {
      const rungs = JSON.parse(box.dataset.values);
      const nearest = rungs.reduce((best, rung) =>
        Math.abs(rung.share * 100 - share) < Math.abs(best.share * 100 - share) ? rung : best,
      );
      type("id_threshold", String(Number((Math.floor(nearest.threshold * 1e7) / 1e5).toFixed(5))));
    } else {
      type("id_target", String(Math.min(Math.max(Number(error.toFixed(error < 1 ? 2 : 1)), 0.05), 50)));
    }
  };
  const canvas = chart.getZr();
  canvas.on("mousedown", (event) => {
    isDown = true;
    choose(event);
  });
  canvas.on("mousemove", (event) => isDown && choose(event));
  window.addEventListener("mouseup", () => {
    isDown = false;
  });
}

function type(id, value) {
  const input = document.getElementById(id);
  if (!input || input.value === value) return;
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

// The slider and the number beside it are one value; only the part that is asked for shows.
function bind() {
  for (const slider of document.querySelectorAll("[data-mirrors]")) {
    slider.hidden = false;
    slider.value = document.getElementById(slider.dataset.mirrors).value;
  }
  const by = document.querySelector("[data-workshop-form] [name=by]:checked");
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = by && part.dataset.when !== by.value;
}

document.addEventListener("input", (event) => {
  if (event.target.dataset.mirrors) document.getElementById(event.target.dataset.mirrors).value = event.target.value;
  if (event.target.closest("[data-workshop-form]")) bind();
});
document.addEventListener("htmx:afterSwap", () => {
  bind();
  drawAll();
});
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
bind();
drawAll();
