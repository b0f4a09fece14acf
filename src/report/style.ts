/** The look of a report: system fonts, one column, light and dark. */

/** Colours of series, told apart by all common kinds of colour blindness [Okabe08], darkened or lightened for contrast. */
const SERIES_LIGHT = ["#0072b2", "#d55e00", "#008a65", "#b3598f", "#a07400", "#3b93c7", "#555b63", "#7a4bb0"];
const SERIES_DARK = ["#5ab4ec", "#f28b3c", "#35c49a", "#e09bc4", "#e3b93d", "#93cdf2", "#b8bec6", "#b593e6"];

/** How many series differ by colour; further ones are dashed. */
export const SERIES_COLOURS = SERIES_LIGHT.length;

const variables = (colours: readonly string[]) => colours.map((c, i) => `--series-${i}:${c}`).join(";");

export const CSS = `
:root{--page:#fcfcfa;--ink:#1e2328;--soft:#626a73;--rule:#dddfdc;--card:#f4f4f0;--alert:#a33a00;${variables(SERIES_LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#15181b;--ink:#e2e5e8;--soft:#98a1aa;--rule:#33393f;--card:#1d2125;--alert:#ff9d66;${variables(SERIES_DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1120px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;font-weight:650;letter-spacing:-.01em;margin:0 0 10px;overflow-wrap:anywhere}
h2{font-size:20px;font-weight:620;margin:0 0 14px}
p{max-width:72ch;margin:0 0 10px}
section{margin-top:40px;padding-top:26px;border-top:1px solid var(--rule)}
.lead{font-size:18px}
.soft,figcaption{color:var(--soft)}
.state{display:inline-block;white-space:nowrap;margin-right:8px;padding:1px 10px;border-radius:99px;border:1px solid currentColor;font-size:14px}
.state.failed,.state.interrupted,.state.killed,.state.wrong,.state.doubtful,.alert{color:var(--alert)}
.state.wrong{background:var(--alert);border-color:var(--alert);color:var(--page)}
.state.unknown{color:var(--soft)}
.text.verdicts thead th,.text.verdicts td:nth-child(-n+5){white-space:nowrap}
.verdicts td:nth-child(6){min-width:26ch}
.alert{font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:14px;margin-top:26px}
.card{background:var(--card);border-radius:10px;padding:14px 16px;font-size:14px;line-height:1.45}
.card b{display:block;font-size:28px;font-weight:620;line-height:1.25;letter-spacing:-.01em}
.card span{color:var(--soft)}
.live{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));margin:0 0 34px}
.live .card{font-size:15px}
.live p{margin:0 0 8px}
.live p:last-child{margin:0;font-size:14px}
.live progress{display:block;width:100%;height:8px;margin-bottom:8px;accent-color:var(--series-0)}
a{color:var(--series-0)}
figure{margin:0 0 26px;min-width:0}
figcaption{font-size:14px;line-height:1.45;max-width:90ch;margin-top:8px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:10px 36px}
.charts>:only-child{max-width:680px}
img,svg{display:block;max-width:100%;height:auto}
img{image-rendering:pixelated}
svg{font-family:inherit;overflow:visible}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;line-height:1.4}
th,td{padding:5px 16px 5px 0;text-align:right;vertical-align:top;font-weight:400;border-bottom:1px solid var(--rule)}
thead th{color:var(--soft);vertical-align:bottom;border-bottom-color:var(--soft)}
th:first-child{text-align:left}
td,tbody th{white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
.text td,.text thead th{text-align:left;white-space:normal}
.text td{overflow-wrap:anywhere}
.text th{color:var(--soft);white-space:nowrap}
.settings{columns:3 300px;column-gap:40px}
.settings table{width:100%;margin-bottom:18px;break-inside:avoid}
.settings td{text-align:right}
caption{text-align:left;font-weight:600;padding-bottom:3px}
table.film{width:100%;table-layout:fixed;min-width:600px}
.film th,.film td{border:0;padding:0 0 5px;vertical-align:middle}
.film th{width:104px;padding-right:14px;text-align:right;color:var(--soft);white-space:normal;overflow-wrap:anywhere}
.film img{width:100%}
.film .break th,.film .break td{padding-bottom:14px}
table.beside{width:100%;table-layout:fixed}
.beside th,.beside td{border:0;padding:0 6px 5px 0;text-align:center;vertical-align:bottom;font-size:12px;line-height:1.25;overflow-wrap:anywhere}
.beside img{width:100%}
.bar{display:flex;height:26px;border-radius:6px;overflow:hidden;gap:2px}
.key{display:flex;flex-wrap:wrap;gap:4px 22px;font-size:14px;margin-top:10px}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
.corners{display:flex;flex-wrap:wrap;gap:10px 30px}
.corners figure{max-width:100%}
.corners figcaption{width:0;min-width:100%}
.halo{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
details summary{cursor:pointer;color:var(--soft);margin-bottom:10px}
ul{margin:0;padding-left:20px;max-width:74ch}
li{margin-bottom:6px}
@media (max-width:600px){main{padding:22px 16px 40px}h1{font-size:25px}.film th{width:84px;padding-right:10px;font-size:12px}}
@media print{section{break-inside:avoid}}
`;
