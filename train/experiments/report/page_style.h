#pragma once
/// \file
/// How the page looks.

#include <string_view>

namespace cosformer {

/// Light and dark by the reader's setting; colours of series after Okabe and Ito (2008), which colour-blind readers tell
/// apart, with more or less light for the ground that they stand on.
inline constexpr std::string_view kPageStyle = R"(
:root{color-scheme:light dark;--ground:#fff;--text:#1c2024;--quiet:#5f6b76;--line:#dde2e7;--soft:#f4f6f8;--accent:#0a6b52;
--warn:#8a5a00;--warn-ground:#fff6e0;--bad:#a8321f;
--c0:#0068a8;--c1:#c24e00;--c2:#00805f;--c3:#a8517f;--c4:#8a6d00;--c5:#2f88b8;--c6:#5b4bb0;--c7:#50565c}
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--text:#e4e8ec;--quiet:#9aa6b1;--line:#2e353c;--soft:#1c2126;--accent:#5ed0ae;
--warn:#f0c060;--warn-ground:#2c2412;--bad:#ff8d78;
--c0:#5db4f0;--c1:#ff9046;--c2:#37c79c;--c3:#e08fbd;--c4:#e6c84c;--c5:#8fd3f5;--c6:#a99bf5;--c7:#b4bcc4}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:2.2rem 1.2rem 4rem}
h1{font-size:clamp(1.5rem,1.1rem + 1.9vw,2.3rem);line-height:1.2;margin:0 0 .4rem;letter-spacing:-.015em;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:1.3rem;line-height:1.3;margin:3rem 0 .3rem;letter-spacing:-.01em;overflow-wrap:anywhere}
h2.title{font-size:1.6rem}
.eyebrow+h2{margin-top:0}
h1+section{margin-top:2.2rem}
h3{font-size:1rem;margin:1.6rem 0 .5rem;overflow-wrap:anywhere}
p{margin:.3rem 0 .8rem;max-width:46rem;overflow-wrap:anywhere}
.eyebrow{color:var(--accent);font-size:.82rem;font-weight:600;letter-spacing:.06em;text-transform:uppercase;margin:0 0 .5rem}
.quiet,.note{color:var(--quiet)}
.note{font-size:.88rem}
section.experiment + section.experiment{border-top:1px solid var(--line);margin-top:3.5rem;padding-top:2.5rem}
.warnings{list-style:none;margin:1rem 0;padding:.7rem 1rem;background:var(--warn-ground);border-left:3px solid var(--warn);border-radius:0 6px 6px 0;font-size:.92rem}
.warnings li + li{margin-top:.25rem}
.scroll{overflow-x:auto;margin:.6rem 0 1.2rem;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
table{border-collapse:collapse;font-size:.92rem;min-width:100%}
th,td{padding:.5rem .9rem;text-align:left;vertical-align:baseline;white-space:nowrap}
th:first-child,td:first-child{padding-left:.3rem}
thead th:first-child{white-space:normal}
thead th{font-size:.8rem;font-weight:600;color:var(--quiet);border-bottom:1px solid var(--line);vertical-align:bottom}
tbody tr + tr > *{border-top:1px solid var(--line)}
tbody th{font-weight:500;white-space:normal;min-width:min(11rem,38vw);max-width:min(26rem,46vw);overflow-wrap:break-word}
.f{text-align:right;font-variant-numeric:tabular-nums lining-nums}
td small,th small{display:block;color:var(--quiet);font-size:.8rem;white-space:normal;min-width:8rem;max-width:22rem;font-weight:400}
td.f small{min-width:10rem}
.long{white-space:normal;min-width:14rem;max-width:32rem;overflow-wrap:anywhere}
strong{font-weight:700;color:var(--accent)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:1.4rem 2rem;margin:1rem 0}
figure{margin:0}
figcaption{font-size:.92rem;font-weight:600;margin-bottom:.3rem;overflow-wrap:anywhere}
.chart>svg{width:100%;height:auto;display:block;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
.plot{overflow:hidden}
.grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--quiet);stroke-width:1}
.tick,.label{fill:var(--quiet)}
.tick{font-size:11.5px}
.line,.faint{fill:none;stroke-linejoin:round;stroke-linecap:round}
.line{stroke-width:1.9}
.faint{stroke-width:1;opacity:.38}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.15rem 1rem;margin:.5rem 0 0;padding:0;font-size:.84rem;line-height:1.4}
.legend li{display:flex;align-items:center;gap:.4rem;overflow-wrap:anywhere}
.legend .keys{color:var(--quiet)}
.swatch{flex:none;width:24px;height:8px}
.d1{stroke-dasharray:6 3}.d2{stroke-dasharray:2 3}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,210px),1fr));gap:1.2rem 1.4rem;margin:.4rem 0 1.4rem}
.map img{width:100%;height:auto;display:block;image-rendering:pixelated;border-radius:3px}
.map figcaption{font-size:.86rem;line-height:1.35}
.map p{font-size:.8rem;line-height:1.4;color:var(--quiet);margin:.35rem 0 0}
.bar{display:flex;align-items:center;gap:.6rem;font-size:.82rem;color:var(--quiet);margin:.2rem 0 .8rem}
.bar img{width:180px;height:10px;border-radius:2px}
.sample{margin:.2rem 0 1rem;padding:.7rem 1rem;background:var(--soft);border-radius:6px;font-size:.9rem;white-space:pre-wrap;overflow-wrap:anywhere}
.sample b{font-weight:600}
details{border-top:1px solid var(--line);padding:.6rem 0}
details:last-of-type{border-bottom:1px solid var(--line)}
summary{cursor:pointer;font-size:.95rem;font-weight:500;overflow-wrap:anywhere}
pre{overflow-x:auto;background:var(--soft);border-radius:6px;padding:.9rem 1rem;font:.82rem/1.5 ui-monospace,"SF Mono",Menlo,"Liberation Mono",monospace}
.finished{color:var(--accent)}.failed{color:var(--bad)}.stopped,.running,.not-started{color:var(--warn)}
footer{margin-top:4rem;color:var(--quiet);font-size:.85rem;border-top:1px solid var(--line);padding-top:1rem}
@media(max-width:600px){th,td{padding:.45rem .5rem}thead th{white-space:normal}tbody th{min-width:34vw;max-width:40vw}}
@media print{:root{color-scheme:light}main{max-width:none;padding:0}.scroll{overflow:visible}.chart,.map,tr{break-inside:avoid}h2,h3{break-after:avoid}}
)";

}  // namespace cosformer
