// The page of a report: its HTML, style and script.

/// The template of a page, which `RunReport` fills in.
///
/// In the template two braces are text, which is escaped; three are markup that this module itself has made.
enum ReportTemplate {
  /// Where the pixels of each class went.
  private static let confusion = """
    <div class="scroll"><table class="confusion">
    <thead><tr><th></th>{{#heads}}<th>{{text}}</th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th>{{#cells}}<td class="{{#right}}right{{/right}}{{^right}}wrong{{/right}}" \
    style="--depth:{{depth}}%"><b>{{share}}</b><br><span class="quiet">{{count}}</span></td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    """

  /// The heading of it.
  private static let confusionTitle = """
    <h2>Which class was taken for which</h2>
    <p class="quiet">Pixels of the validation images: a row is a true class, a column what was found there.</p>
    """

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
    <tbody>{{#rows}}<tr><th>{{name}}</th>{{#cells}}<td>{{#pieces}}{{text}}<wbr>{{/pieces}}</td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    </section>
    {{#images}}
    <section>
    <h2>Mean IoU by image</h2>
    <p class="quiet">A click on a heading sorts by it.</p>
    <div class="scroll tall"><table class="sortable">
    <thead><tr><th><button>image</button></th>\
    {{#heads}}<th><button><i class="key {{style}}"></i>{{text}}</button></th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th>\
    {{#cells}}<td data-value="{{value}}">{{text}}</td>{{/cells}}</tr>{{/rows}}</tbody>
    </table></div>
    </section>
    {{/images}}
    {{/comparison}}
    {{#confusions}}
    <section>
    \(confusionTitle)
    <div class="beside">{{#runs}}{{#confusion}}<div><h3><i class="key {{style}}"></i>{{name}}</h3>
    \(confusion)</div>
    {{/confusion}}{{/runs}}</div>
    </section>
    {{/confusions}}{{/several}}
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
    {{#several}}<p class="quiet">Where curves cover each other, the dashes of a later run lie on the earlier one.</p>{{/several}}
    <div class="charts{{#several}} many{{/several}}">{{#charts}}
    <figure><figcaption><b>{{title}}</b> <span class="quiet">{{text}}</span>\
    {{#keys}}<span class="entry"><i class="key {{style}}"></i>{{text}}</span>{{/keys}}</figcaption>{{{svg}}}</figure>{{/charts}}
    </div>
    </section>
    {{#runs}}
    {{#several}}<details class="run"><summary><i class="key {{style}}"></i>{{name}}</summary>
    <dl class="facts">{{#facts}}<div><dt>{{name}}</dt><dd>{{value}}</dd></div>{{/facts}}</dl>
    {{#about}}<p>{{text}}</p>{{/about}}
    {{#remarks}}<p class="remark">{{text}}</p>{{/remarks}}{{/several}}
    {{#single}}{{#confusion}}
    <section>
    \(confusionTitle)
    \(confusion)
    </section>
    {{/confusion}}{{/single}}
    {{#pictured}}
    <section>
    <h2>Validation images</h2>
    <p class="legend">In truth and prediction: {{#classes}}<span>{{#grey}}<i class="key plain"></i>{{/grey}}\
    {{^grey}}<i class="key" style="background:{{colour}}"></i>{{/grey}}{{name}}{{#grey}}, as in the image{{/grey}}</span>{{/classes}}</p>
    <p class="legend">In differences: <span><i class="key" style="background:#282c2f"></i>right, of the first class</span>\
    <span><i class="key" style="background:#60666a"></i>right, of another</span>\
    <span><i class="key" style="background:#56b4e9"></i>missed or taken for another</span>\
    <span><i class="key" style="background:#e68614"></i>found where it is not</span>\
    <span><i class="key" style="background:#000"></i>ignored</span></p>
    </section>
    {{/pictured}}
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
    <thead><tr><th><button>image</button></th>{{#heads}}<th><button>{{text}}</button></th>{{/heads}}</tr></thead>
    <tbody>{{#rows}}<tr><th>{{name}}</th>\
    {{#cells}}<td data-value="{{value}}">{{text}}</td>{{/cells}}</tr>{{/rows}}</tbody>
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
    <tbody>{{#options}}<tr><th>{{name}}</th><td>{{#pieces}}{{text}}<wbr>{{/pieces}}</td><td class="quiet">{{reason}}</td></tr>{{/options}}</tbody>
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
    .many .s0{stroke-width:4}.many .s1{stroke-dasharray:9 6}.many .s2{stroke-dasharray:3 6}
    .many .s3{stroke-dasharray:12 4 2 4}.many .s4{stroke-dasharray:6 10}.many .s5{stroke-dasharray:2 8}
    .many .s6{stroke-dasharray:14 8}.many .s7{stroke-dasharray:4 4}.dot{stroke-width:8;stroke-linecap:round}
    .s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}
    .s4{color:var(--s4)}.s5{color:var(--s5)}.s6{color:var(--s6)}.s7{color:var(--s7)}
    .load{color:var(--s4)}.forward{color:var(--s0)}.backward{color:var(--s2)}.reduce{color:var(--s1)}
    .update{color:var(--s3)}
    .key{display:inline-block;width:.8em;height:.8em;border-radius:3px;background:currentColor;margin-right:.4em}
    .plain{background:none;border:1px solid var(--quiet)}
    .beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:8px 32px}
    .legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0;list-style:none;font-size:.9rem}
    .entry{white-space:nowrap;margin-left:1em;color:var(--quiet)}
    .bar{display:flex;height:18px;border-radius:5px;overflow:hidden;background:var(--line)}
    .bar i{background:currentColor}
    .scroll{overflow-x:auto}.tall{max-height:480px;overflow-y:auto}
    .scroll.more{border-right:3px solid var(--s1)}
    .scroll.more::before{content:"there is more to the right: scroll sideways \\2192";display:block;position:sticky;left:0;
    width:max-content;max-width:100%;font-size:.85rem;color:var(--s1)}
    table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;min-width:50%}
    th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
    tbody th{font-weight:500}thead th{color:var(--quiet);font-weight:500;white-space:nowrap}
    .tall thead th{position:sticky;top:0;background:var(--card)}
    .options th{white-space:nowrap}.options td{overflow-wrap:break-word}
    .confusion td{padding:8px 14px;text-align:right;border:2px solid var(--card)}
    .confusion b{white-space:nowrap}.confusion thead th{text-align:right;padding:0 14px;white-space:normal}
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
    pre{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:10px;margin:0 0 12px;
    white-space:pre-wrap;overflow-wrap:anywhere}
    @media(max-width:640px){.options thead{display:none}.options,.options tbody,.options tr,.options th,.options td{
    display:block}.options tr{border-bottom:1px solid var(--line);padding:6px 0}.options th,.options td{border:0;padding:0}
    .confusion td{padding:6px 8px}.confusion thead th{padding:0 8px}td,th{padding-right:8px}}
    footer{padding-bottom:32px;font-size:.85rem}
    @media print{details.run{border:0}.tall{max-height:none}}
    """

  /// Sorts tables, and tells of those that are wider than the window; without scripts the page says all the same.
  static let script = """
    const tell=()=>{for(const box of document.querySelectorAll(".scroll"))
    box.classList.toggle("more",box.scrollWidth>box.clientWidth+1)};
    tell();addEventListener("resize",tell);
    for(const part of document.querySelectorAll("details"))part.addEventListener("toggle",tell);
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
