// The page of a report: its HTML, style and script.

/// The template of a page, which `RunReport` fills in.
///
/// In the template two braces are text, which is escaped; three are markup that this module itself has made.
enum ReportTemplate {
  static let page = """
    {{% CONTENT_TYPE: PAGE}}<!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{{title}} - unet-dist</title>
    <link rel="icon" href="data:,">
    <style>{{{style}}}</style>
    </head>
    <body>
    <header>
    <h1>{{title}}</h1>
    <p class="quiet">Report of {{#single}}a training{{/single}}{{#several}}trainings{{/several}} by unet-dist, {{date}}</p>
    </header>
    <main>
    {{#several}}{{#comparison}}
    <section>
    <h2>Side by side</h2>
    <div class="scroll"><table>
    <thead><tr><th></th>{{#heads}}<th><i class="key {{style}}"></i>{{text}}</th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th>{{#cells}}<td>{{text}}</td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    </section>
    {{/comparison}}{{/several}}
    {{#single}}{{#runs}}
    <section>
    <dl class="facts">{{#facts}}<div><dt>{{name}}</dt><dd>{{value}}</dd></div>{{/facts}}</dl>
    {{#about}}<p>{{text}}</p>{{/about}}
    {{#remarks}}<p class="remark">{{text}}</p>{{/remarks}}
    </section>
    {{/runs}}{{/single}}
    <section>
    <h2>Curves by step</h2>
    {{#several}}<p class="legend">{{#legend}}<span><i class="key {{style}}"></i>{{text}}</span>{{/legend}}</p>{{/several}}
    <div class="charts">{{#charts}}
    <figure><figcaption><b>{{title}}</b> <span class="quiet">{{text}}</span>\
    {{#keys}}<span class="entry"><i class="key {{style}}"></i>{{text}}</span>{{/keys}}</figcaption>{{{svg}}}</figure>{{/charts}}
    </div>
    </section>
    {{#runs}}
    {{#several}}<details class="run"><summary><i class="key {{style}}"></i>{{name}}</summary>
    <dl class="facts">{{#facts}}<div><dt>{{name}}</dt><dd>{{value}}</dd></div>{{/facts}}</dl>
    {{#about}}<p>{{text}}</p>{{/about}}
    {{#remarks}}<p class="remark">{{text}}</p>{{/remarks}}{{/several}}
    {{#confusion}}
    <section>
    <h2>Which class was taken for which</h2>
    <p class="quiet">Pixels of the validation images: a row is a true class, a column what was found there.</p>
    <div class="scroll"><table class="confusion">
    <thead><tr><th></th>{{#heads}}<th>{{text}}</th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th>{{#cells}}<td class="{{#right}}right{{/right}}{{^right}}wrong{{/right}}" \
    style="--depth:{{depth}}%"><b>{{share}}</b><br><span class="quiet">{{count}}</span></td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    </section>
    {{/confusion}}
    {{#examples}}
    <section>
    <h2>The {{place}} image</h2>
    <p>{{name}} <span class="quiet">mean IoU {{score}}</span></p>
    <div class="pictures">{{#pictures}}
    <figure><img src="{{address}}" width="{{width}}" height="{{height}}" alt="{{text}}">\
    <figcaption>{{caption}}</figcaption></figure>{{/pictures}}
    </div>
    </section>
    {{/examples}}
    {{#images}}
    <section>
    <h2>Scores by image</h2>
    <p class="quiet">A click on a heading sorts by it.</p>
    <div class="scroll tall"><table class="sortable">
    <thead><tr><th><button>image</button></th><th><button>mean IoU</button></th>\
    <th><button>pixel error</button></th>{{#heads}}<th><button>{{text}}</button></th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th><td data-value="{{score}}">{{score}}</td>\
    <td data-value="{{errorValue}}">{{error}}</td>\
    {{#dice}}<td data-value="{{value}}">{{text}}</td>{{/dice}}</tr>{{/rows}}</tbody>
    </table></div>
    </section>
    {{/images}}
    <section>
    <h2>Where the time went</h2>
    <p class="quiet">Of the steps, on the rank that writes the log; reduce is waiting for other ranks.</p>
    <div class="bar" aria-hidden="true">{{#parts}}<i class="{{name}}" style="width:{{width}}%"></i>{{/parts}}</div>
    <ul class="legend">{{#parts}}<li><i class="key {{name}}"></i>{{name}} {{share}} \
    <span class="quiet">{{seconds}}</span></li>{{/parts}}</ul>
    {{#ranks}}
    <h3>Seconds by rank</h3>
    <div class="scroll tall"><table class="sortable">
    <thead><tr><th><button>rank</button></th>{{#heads}}<th><button>{{text}}</button></th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th data-value="{{name}}">{{name}}</th>{{#cells}}<td data-value="{{value}}">{{text}}</td>\
    {{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    {{/ranks}}
    </section>
    <section>
    <h2>Options</h2>
    {{#command}}<p>To train the same again{{#program}}, by {{program}}{{/program}}:</p><pre>{{text}}</pre>{{/command}}
    <div class="scroll"><table class="options">
    <thead><tr><th>option</th><th>value</th><th>why</th></tr></thead>
    <tbody>{{#options}}<tr><th>{{name}}</th><td>{{value}}</td><td class="quiet">{{reason}}</td></tr>{{/options}}</tbody>
    </table></div>
    </section>
    {{#several}}</details>{{/several}}
    {{/runs}}
    </main>
    <footer class="quiet">Made by unet-dist {{version}}; this file needs no other and no network.</footer>
    <script>{{{script}}}</script>
    </body>
    </html>

    """

  /// Colours are those of Okabe and Ito, which colour-blind readers tell apart, darker where the page is light.
  static let style = """
    :root{color-scheme:light dark;--back:#fbfbf9;--card:#fff;--ink:#1d2326;--quiet:#5c676d;--line:#dfe3e4;
    --s0:#0072b2;--s1:#c65102;--s2:#008a63;--s3:#a34c86;--s4:#8a6d00;--s5:#1b6fa8;--s6:#b3261e;--s7:#4d5357}
    @media(prefers-color-scheme:dark){:root{--back:#14181a;--card:#1c2225;--ink:#e6eaec;--quiet:#9aa6ac;
    --line:#333c41;--s0:#56b4e9;--s1:#f0883e;--s2:#2fc79a;--s3:#dd8fc0;--s4:#e5c84b;--s5:#8ab8ff;--s6:#ff8a80;
    --s7:#c3cacd}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
    header,main,footer{max-width:1080px;margin:auto;padding:0 16px}
    header{padding-top:24px}
    h1{margin:0;font-size:1.7rem;overflow-wrap:anywhere}h2{margin:0 0 8px;font-size:1.15rem}
    h3{margin:16px 0 8px;font-size:1rem}
    p{margin:0 0 8px;overflow-wrap:anywhere}.quiet{color:var(--quiet);font-weight:400}
    section,details.run{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;
    margin:16px 0}
    details.run section{border:0;border-top:1px solid var(--line);border-radius:0;padding:16px 0 0}
    summary{cursor:pointer;font-weight:600;font-size:1.1rem;overflow-wrap:anywhere}
    .remark{border-left:3px solid var(--s1);padding-left:10px}
    .facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:0 0 12px}
    details .facts{margin-top:12px}
    dt{color:var(--quiet);font-size:.85rem}dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:20px}
    figure{margin:0}figcaption{font-size:.9rem;margin-bottom:4px}
    svg{width:100%;height:auto;display:block}svg text{fill:var(--quiet);font:12px system-ui,sans-serif}
    .grid{stroke:var(--line)}.line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
    .thin{stroke-width:1;opacity:.6}.dot{stroke-width:8;stroke-linecap:round}
    .s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}
    .s4{color:var(--s4)}.s5{color:var(--s5)}.s6{color:var(--s6)}.s7{color:var(--s7)}
    .load{color:var(--s4)}.forward{color:var(--s0)}.backward{color:var(--s2)}.reduce{color:var(--s1)}
    .update{color:var(--s3)}
    .key{display:inline-block;width:.8em;height:.8em;border-radius:3px;background:currentColor;margin-right:.4em}
    .legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0;list-style:none;font-size:.9rem}
    .entry{white-space:nowrap;margin-left:1em;color:var(--quiet)}
    .bar{display:flex;height:18px;border-radius:5px;overflow:hidden;background:var(--line)}
    .bar i{background:currentColor}
    .scroll{overflow-x:auto;margin:0 -16px;padding:0 16px}.tall{max-height:480px;overflow-y:auto}
    table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;min-width:50%}
    th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
    tbody th{font-weight:500}thead th{color:var(--quiet);font-weight:500;white-space:nowrap}
    .tall thead th{position:sticky;top:0;background:var(--card)}
    .options td,.options th{overflow-wrap:anywhere;min-width:7em}.options th{white-space:nowrap}
    .confusion td{padding:8px 14px;text-align:right;border:2px solid var(--card)}
    .confusion thead th{text-align:right;padding:0 14px}
    .right{background:color-mix(in srgb,var(--s0) var(--depth),transparent)}
    .wrong{background:color-mix(in srgb,var(--s1) var(--depth),transparent)}
    .confusion td .quiet{color:inherit;opacity:.75}
    .pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,220px),1fr));gap:12px}
    .pictures img{width:100%;height:auto;border-radius:6px;display:block}
    .pictures figcaption{margin:4px 0 0;color:var(--quiet)}
    button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
    button::after{content:" \\2195";opacity:.4}
    [aria-sort=ascending] button::after{content:" \\2191";opacity:1}
    [aria-sort=descending] button::after{content:" \\2193";opacity:1}
    pre{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:10px;overflow-x:auto;margin:0 0 12px}
    footer{padding-bottom:32px;font-size:.85rem}
    @media print{details.run{border:0}.tall{max-height:none}}
    """

  /// Sorts tables; without scripts the page says all the same.
  static let script = """
    for(const table of document.querySelectorAll("table.sortable"))
    table.querySelectorAll("thead th").forEach((head,column)=>{
    head.firstElementChild.addEventListener("click",()=>{
    const up=head.getAttribute("aria-sort")!=="ascending";
    for(const other of head.parentNode.children)other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort",up?"ascending":"descending");
    const value=row=>{const cell=row.children[column];
    return cell.dataset.value===undefined?cell.textContent:Number(cell.dataset.value)};
    const order=(a,b)=>typeof a==="number"?a-b:a.localeCompare(b,undefined,{numeric:true});
    const body=table.tBodies[0];
    [...body.rows].sort((a,b)=>(up?1:-1)*order(value(a),value(b))).forEach(row=>body.append(row))})});
    """
}
