/** Plots as SVG that is readable on a light page and on a dark one. */
import { init } from "echarts";

const WIDTH = 860;
const COLORS = ["--ours", "--second", "--third", "--floor", "--floor2"].map((name) => `var(${name})`);
const STYLE = `<style>
svg { --text:#1e2321; --faint:#59605b; --line:#dbd8ce; --ground:#fffefb; --ours:#27694a; --second:#c9821b; --third:#3a6ea5; --floor:#9aa29c; --floor2:#c9cec9; }
@media (prefers-color-scheme: dark) { svg { --text:#e7eae7; --faint:#a2aaa4; --line:#3a403c; --ground:#141715; --ours:#7bc99b; --second:#e2b155; --third:#7fb0e6; --floor:#7c857f; --floor2:#545b56; } }
</style>`;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const axis = {
  axisLine: { lineStyle: { color: "var(--line)" } },
  axisTick: { show: false },
  axisLabel: { color: "var(--faint)" },
  splitLine: { lineStyle: { color: "var(--line)" } },
};

/** @param {{ title: string, categories: string[], series: { name: string, values: (number | undefined)[] }[] }} given */
export function barPlot({ title, categories, series }) {
  return render(title, 90 + categories.length * 66, {
    grid: { left: 235, right: 40, top: 80, bottom: 30 },
    xAxis: { type: "value", ...axis },
    yAxis: {
      type: "category",
      inverse: true,
      data: categories,
      ...axis,
      axisLabel: { color: "var(--text)", width: 215, overflow: "break" },
    },
    series: series.map(({ name, values }, index) => ({
      type: "bar",
      name,
      data: values.map((value) => value ?? null),
      itemStyle: { color: COLORS[index] },
      label: {
        show: true,
        position: "right",
        color: "var(--faint)",
        fontSize: 9,
        formatter: ({ value }) => value?.toFixed(2) ?? "",
      },
      ...(index === 0 && {
        markLine: {
          silent: true,
          symbol: "none",
          data: [{ xAxis: 1 }],
          label: { show: false },
          lineStyle: { color: "var(--text)", type: "dashed" },
        },
      }),
    })),
  });
}

/** @param {{ title: string, times: number[], series: { name: string, values: number[] }[] }} given */
export function linePlot({ title, times, series }) {
  return render(title, 320, {
    grid: { left: 60, right: 30, top: 80, bottom: 45 },
    xAxis: {
      type: "value",
      name: "seconds",
      nameLocation: "middle",
      nameGap: 28,
      nameTextStyle: { color: "var(--faint)" },
      max: times.at(-1),
      ...axis,
    },
    yAxis: { type: "value", min: 0, ...axis },
    series: series.map(({ name, values }, index) => ({
      type: "line",
      name,
      showSymbol: false,
      data: values.map((value, at) => [times[at], value]),
      lineStyle: { color: COLORS[index] },
      itemStyle: { color: COLORS[index] },
    })),
  });
}

function render(title, height, option) {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: FONT },
    title: {
      text: title,
      left: 8,
      top: 8,
      textStyle: { color: "var(--text)", fontSize: 15, fontWeight: 600 },
    },
    legend: {
      top: 38,
      left: 8,
      itemGap: 36,
      itemWidth: 14,
      itemHeight: 10,
      textStyle: { color: "var(--text)" },
    },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  const ground = '<rect width="100%" height="100%" fill="var(--ground)"/>';
  return `${svg.replace(/^<svg[^>]*>/, (tag) => `${tag.replace("<svg", `<svg role="img" aria-label="${title}"`)}\n${STYLE}\n${ground}`)}\n`;
}
