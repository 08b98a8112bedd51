// What ECharts is told to draw. Percentages are drawn as numbers from 0 to 100; tooltips are drawn too, not HTML.
const percent = (value, digits = 1) => `${value.toFixed(digits)}%`;
const error = (value) => percent(value, value < 10 ? 2 : 1);

function frame(colours) {
  return {
    animation: false,
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 16, top: 40, bottom: 28, containLabel: true },
    legend: { top: 0, left: 0, itemWidth: 16, itemHeight: 10, textStyle: { color: colours.quiet } },
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
    },
  };
}

function axis(colours, name, more = {}) {
  return {
    type: "value",
    name,
    nameLocation: "middle",
    nameTextStyle: { color: colours.quiet },
    axisLabel: { color: colours.quiet, formatter: (value) => `${value}%` },
    axisLine: { lineStyle: { color: colours.line } },
    splitLine: { lineStyle: { color: colours.line, opacity: 0.5 } },
    ...more,
  };
}

// Room for the target and the part of the curve where a choice is made; a bound of 100% may leave the picture.
function ceiling(rungs, target) {
  const labelled = rungs.filter((rung) => rung.labels > 0);
  const shown = labelled.map((rung) => Math.min(rung.bound, (rung.point || 0) * 4 + 0.08));
  // With few labels the whole bound lies high: its best point is shown at least.
  const best = labelled.length ? Math.min(...labelled.map((rung) => rung.bound)) : 0;
  return Math.min(100, Math.max(target * 2.5, ...[...shown, best].map((bound) => bound * 100), 5) * 1.1);
}

function marks(estimate, colours) {
  const lines = [];
  if (estimate.by === "target" && estimate.target) {
    lines.push({
      yAxis: Number(estimate.target) * 100,
      label: { formatter: `promise ${error(Number(estimate.target) * 100)}`, position: "insideStartTop" },
    });
  }
  if (estimate.threshold && estimate.share) {
    lines.push({
      xAxis: Number(estimate.share) * 100,
      label: { formatter: `from ${percent(Number(estimate.threshold) * 100)}`, position: "end" },
    });
  }
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: colours.good, type: "dashed", width: 1.5 },
    label: { color: colours.text },
    data: lines,
  };
}

export function curve(rungs, estimate, colours) {
  const top = Math.ceil(ceiling(rungs, Number(estimate.target || 0) * 100));
  const at = (value) => [value.share * 100, value.bound * 100];
  return {
    ...frame(colours),
    tooltip: {
      ...frame(colours).tooltip,
      trigger: "axis",
      axisPointer: { type: "line", lineStyle: { color: colours.quiet } },
      formatter: ([first]) => {
        const rung = rungs[first.dataIndex];
        return [
          `From ${percent(rung.threshold * 100, 2)} on: ${percent(rung.share * 100)} act alone`,
          `${rung.labels} labels, ${rung.wrong} wrong`,
          rung.point === null ? "no estimate yet" : `about ${error(rung.point * 100)} wrong`,
          `at most ${error(rung.bound * 100)}`,
          ...(rung.examined === null ? [] : [`at most ${error(rung.examined * 100)} by the first exam`]),
        ].join("\n");
      },
    },
    xAxis: axis(colours, "acts alone, of the class", { min: 0, max: 100, nameGap: 26 }),
    yAxis: axis(colours, "", { min: 0, max: top }),
    series: [
      {
        name: "at most (bound)",
        type: "line",
        data: rungs.map(at),
        symbolSize: 5,
        color: colours.main,
        lineStyle: { width: 2 },
        clip: true,
        markLine: marks(estimate, colours),
      },
      {
        name: "estimate",
        type: "line",
        data: rungs.map((rung) => [rung.share * 100, rung.point === null ? "-" : rung.point * 100]),
        symbolSize: 6,
        color: colours.against,
        lineStyle: { width: 0 },
        clip: true,
      },
      ...(rungs.some((rung) => rung.examined !== null) ? [examined(rungs, colours)] : []),
    ],
  };
}

function examined(rungs, colours) {
  return {
    name: "at most, by the first exam",
    type: "line",
    data: rungs.map((rung) => [rung.share * 100, rung.examined === null ? "-" : rung.examined * 100]),
    symbol: "none",
    color: colours.good,
    lineStyle: { width: 2 },
    clip: true,
  };
}

export function reliability({ curve: points, band }, _estimate, colours) {
  const tens = (values) => Math.floor(Math.min(...values) * 10) * 10;
  const least = Math.min(tens(band.map(([x]) => x)), 90);
  const lowest = Math.min(tens([...band.map(([, low]) => low), ...points.map(([, y]) => y)]), least);
  const invisible = { type: "line", symbol: "none", lineStyle: { opacity: 0 }, silent: true, tooltip: { show: false } };
  return {
    ...frame(colours),
    tooltip: {
      ...frame(colours).tooltip,
      trigger: "item",
      formatter: ({ data }) => `At ${percent(data[0], 2)}: right in ${percent(data[1])}`,
    },
    xAxis: axis(colours, "confidence", { min: least, max: 100, nameGap: 26 }),
    yAxis: axis(colours, "", { min: lowest, max: 100 }),
    legend: { ...frame(colours).legend, data: ["right", "band of a calibrated model"] },
    series: [
      { ...invisible, name: "low", stack: "band", data: band.map(([x, low]) => [x * 100, low * 100]) },
      {
        ...invisible,
        name: "band of a calibrated model",
        stack: "band",
        color: colours.quiet,
        areaStyle: { color: colours.quiet, opacity: 0.25 },
        data: band.map(([x, low, high]) => [x * 100, (high - low) * 100]),
      },
      {
        name: "ideal",
        type: "line",
        symbol: "none",
        silent: true,
        color: colours.quiet,
        lineStyle: { type: "dotted", width: 1 },
        data: [
          [least, least],
          [100, 100],
        ],
      },
      {
        name: "right",
        type: "line",
        color: colours.main,
        symbolSize: 5,
        data: points.map(([x, y]) => [x * 100, y * 100]),
      },
    ],
  };
}

export function bars(bins, _estimate, colours) {
  const series = (name, key, color) => ({ name, type: "bar", stack: "cases", barWidth: "92%", color, data: bins.map((bin) => bin[key]) });
  return {
    ...frame(colours),
    tooltip: {
      ...frame(colours).tooltip,
      trigger: "axis",
      axisPointer: { type: "shadow" },
      formatter: ([first]) => {
        const bin = bins[first.dataIndex];
        return `${percent(bin.low * 100)} to ${percent(bin.high * 100)}\n${bin.automatic} acted alone\n${bin.reviewed} to people`;
      },
    },
    xAxis: {
      type: "category",
      name: "confidence, from",
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: { color: colours.quiet },
      data: bins.map((bin) => percent(bin.low * 100, 0)),
      axisLabel: { color: colours.quiet },
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
    },
    yAxis: axis(colours, "", { axisLabel: { color: colours.quiet } }),
    series: [series("acted alone", "automatic", colours.main), series("to people", "reviewed", colours.warn)],
  };
}
