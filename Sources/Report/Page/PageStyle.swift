/// How a report looks: system fonts, one column that becomes two, light and dark, and print.
enum PageStyle {
    /// Of the series of a chart in the order of their use, from Okabe and Ito's palette (2008), which people with any colour
    /// vision can tell apart; dark backgrounds get lighter ones. `LineChart` gives each a dash of its own besides.
    static let colours = 6

    static let sheet = """
        :root { --ink: #1d2429; --soft: #5b666e; --line: #d9dee2; --page: #ffffff; --panel: #f6f8f9; --accent: #0a5c9e;
          --good: #0b6e4f; --bad: #a3420a; --s0: #0072b2; --s1: #c65102; --s2: #007a5a; --s3: #a3477a; --s4: #8a6d00; --s5: #2f4b9b; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e4e8ea; --soft: #9aa7b0; --line: #36424b; --page: #14191d; --panel: #1c2328; --accent: #6db6ee;
            --good: #5cc9a0; --bad: #f0975f; --s0: #56b4e9; --s1: #f0975f; --s2: #4cc9a0; --s3: #dd92bb; --s4: #e5c84a; --s5: #9aaef0; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 66rem; background: var(--page); color: var(--ink);
          font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
        h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
        h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
        p { margin: .5rem 0; max-width: 46rem; }
        a { color: var(--accent); }
        nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1rem 0 0; font-size: .9rem; }
        .lead, .note, figcaption, caption { color: var(--soft); }
        .note, figcaption, caption { font-size: .875rem; }
        .state { display: inline-block; padding: .05rem .6rem; border: 1px solid currentColor; border-radius: 1rem;
          font-size: .85rem; font-weight: 600; color: var(--soft); }
        .state.finished { color: var(--good); } .state.failed { color: var(--bad); } .state.running { color: var(--accent); }
        dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
        dl.figures div { background: var(--panel); border-radius: .5rem; padding: .7rem .9rem; }
        dl.figures dt { font-size: .8rem; color: var(--soft); }
        dl.figures dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
        dl.figures dd small { display: block; font-size: .78rem; font-weight: 400; color: var(--soft); }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 1.5rem; }
        figure { margin: 0; min-width: 0; }
        svg { max-width: 100%; height: auto; display: block; font-family: inherit; }
        svg text:not([fill]) { fill: var(--ink); } svg text.soft:not([fill]) { fill: var(--soft); }
        svg .grid { stroke: var(--line); stroke-width: 1; }
        svg .series { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
        svg .faint { stroke-width: 1; opacity: .45; }
        .s0 { stroke: var(--s0); color: var(--s0); } .s1 { stroke: var(--s1); color: var(--s1); } .s2 { stroke: var(--s2); color: var(--s2); }
        .s3 { stroke: var(--s3); color: var(--s3); } .s4 { stroke: var(--s4); color: var(--s4); } .s5 { stroke: var(--s5); color: var(--s5); }
        .wide { overflow-x: auto; margin: .5rem 0 1rem; }
        .matrix svg { min-width: 30rem; }
        table { border-collapse: collapse; font-size: .9rem; }
        caption { text-align: left; padding-bottom: .3rem; }
        th, td { padding: .28rem .9rem .28rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
        th[scope=row] { font-weight: 500; }
        tbody th { max-width: 22rem; overflow-wrap: break-word; }
        thead th { color: var(--soft); font-weight: 600; }
        .num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        .facts td { overflow-wrap: anywhere; } .facts th { white-space: nowrap; }
        .pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: 1rem .9rem; margin: .75rem 0; }
        .pictures img, .row img { width: 100%; height: auto; display: block; background: var(--panel); border: 1px solid var(--line); }
        .small { image-rendering: pixelated; }
        .pictures figcaption { line-height: 1.35; margin-top: .3rem; overflow-wrap: anywhere; }
        .pictures b { color: var(--ink); font-weight: 600; display: block; }
        .row { display: grid; grid-template-columns: repeat(6, minmax(0, 7.5rem)); gap: .5rem; margin: .75rem 0; }
        .bar { display: flex; height: 1.4rem; border-radius: .3rem; overflow: hidden; margin: .5rem 0; }
        .bar div { min-width: 1px; border-right: 1px solid var(--page); }
        .swatch { display: inline-block; width: .75rem; height: .75rem; border-radius: .15rem; margin-right: .4rem; }
        .t0 { background: var(--s0); } .t1 { background: var(--s1); } .t2 { background: var(--s4); } .t3 { background: var(--s2); }
        .t4 { background: var(--s3); } .t5 { background: var(--line); }
        pre, code { font: .86em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
        pre { background: var(--panel); border-radius: .5rem; padding: .7rem .9rem; margin: .25rem 0 1rem; white-space: pre-wrap;
          overflow-wrap: anywhere; }
        summary { cursor: pointer; color: var(--accent); }
        .equal { color: var(--good); } .differs { color: var(--bad); }
        footer { margin-top: 3rem; font-size: .85rem; color: var(--soft); }
        @media (max-width: 40rem) { body { padding: 1rem .9rem 3rem; } .pictures { grid-template-columns: repeat(auto-fill, minmax(5.6rem, 1fr)); } .row { gap: .25rem; } }
        @media print {
          :root { --ink: #000; --soft: #444; --line: #bbb; --page: #fff; --panel: #fff; --accent: #000; --good: #000; --bad: #000;
            --s0: #0072b2; --s1: #c65102; --s2: #007a5a; --s3: #a3477a; --s4: #8a6d00; --s5: #2f4b9b; }
          * { print-color-adjust: exact; }
          body { padding: 0; font-size: 10.5pt; max-width: none; } nav { display: none; }
          figure, tr, pre, dl div { break-inside: avoid; } h2, h3 { break-after: avoid; }
          .charts { grid-template-columns: 1fr 1fr; }
        }
        """
}
