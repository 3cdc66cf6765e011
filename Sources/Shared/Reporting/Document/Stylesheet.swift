// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// The style of the page: light, dark and print. Colours are those of Okabe and Ito (2008), which
/// stay apart for colour-blind readers, lightened for the dark theme.
enum Stylesheet {
  /// Nothing may be loaded or run; the only style allowed is this one, by its digest.
  static var contentSecurityPolicy: String {
    "default-src 'none'; style-src 'sha256-\(digest)'; base-uri 'none'; form-action 'none'"
  }

  /// SHA-256 of the style element's content, in base64 as CSP wants it.
  static var digest: String {
    let hexadecimal = Array(
      "\(rules)".utf8.withContiguousStorageIfAvailable {
        ContentDigest.hexadecimal(of: UnsafeRawBufferPointer($0))
      } ?? "")
    let bytes = stride(from: 0, to: hexadecimal.count, by: 2).map { index in
      UInt8(hexadecimal[index].hexDigitValue ?? 0) << 4
        | UInt8(hexadecimal[index + 1].hexDigitValue ?? 0)
    }
    return base64(bytes)
  }

  /// RFC 4648, section 4.
  static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = (0..<3).map { start + $0 < bytes.count ? Int(bytes[start + $0]) : 0 }
      let bits = group[0] << 16 | group[1] << 8 | group[2]
      for place in 0..<4 {
        let isPadding = start + place > bytes.count
        text.append(isPadding ? UInt8(ascii: "=") : alphabet[bits >> (18 - 6 * place) & 63])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  static let rules: StaticString = """
    :root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--rule:#d0d7de;\
    --tint:#f6f8fa;--grid:#e4e8ec;--base:#6e7781;--own:#c85000;--global:#0068a8;--pooled:#007a5a;\
    --other:#a8518a;--box:#cfe3f3;--s0:#f1f3f5;--s1:#dcebf7;--s2:#c0dcf0;--s3:#9dc8e6;--s4:#74afd8;\
    --s5:#4b94c6;--s6:#2878b0;--s7:#0f5c94;--s8:#07406c;--i0:#57606a;--i1:#1b1f24;--i2:#1b1f24;\
    --i3:#1b1f24;--i4:#1b1f24;--i5:#000;--i6:#fff;--i7:#fff;--i8:#fff}
    @media (prefers-color-scheme:dark){:root{--paper:#0f1318;--ink:#e3e8ee;--soft:#9aa5b1;\
    --rule:#323b45;--tint:#171d24;--grid:#262e37;--base:#9aa5b1;--own:#f0954a;--global:#5cb3ec;\
    --pooled:#35c09a;--other:#dc8fc0;--box:#24415a;--s0:#1a2027;--s1:#17293a;--s2:#18354e;\
    --s3:#1b4566;--s4:#205a84;--s5:#2e75a8;--s6:#4b94c6;--s7:#7db8de;--s8:#b5daf2;--i0:#9aa5b1;\
    --i1:#e3e8ee;--i2:#e3e8ee;--i3:#fff;--i4:#fff;--i5:#fff;--i6:#000;--i7:#0f1318;--i8:#0f1318}}
    *{box-sizing:border-box}
    body{margin:0 auto;max-width:1180px;padding:24px 20px 64px;background:var(--paper);\
    color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","Liberation Sans",\
    sans-serif;-webkit-text-size-adjust:100%}
    h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
    h2{font-size:19px;line-height:1.3;margin:44px 0 8px;padding-top:12px;\
    border-top:1px solid var(--rule)}
    h3{font-size:15px;margin:24px 0 4px}
    p{margin:8px 0;max-width:78ch;overflow-wrap:anywhere}
    p.lead{color:var(--soft);margin-top:0}
    p.answer{font-size:17px;line-height:1.5}
    p.missing{color:var(--soft);font-style:italic}
    a{color:var(--global)}
    nav ul,ul.legend{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;padding:0;margin:8px 0}
    ul.legend{font-size:13px;color:var(--soft);margin:4px 0}
    ul.legend svg{vertical-align:-1px}
    dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:10px 20px;\
    margin:16px 0}
    dt{font-size:12px;color:var(--soft)}
    dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
    figure{margin:16px 0}
    figcaption{font-size:13px;color:var(--soft);max-width:90ch}
    .plots{display:flex;flex-wrap:wrap;gap:16px 20px;align-items:flex-start;overflow-x:auto}
    .plots svg{flex:none;max-width:100%;height:auto}
    .plots svg.wide{max-width:none}
    svg{display:inline-block;font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
    svg text{fill:var(--ink)}
    svg .tick,svg .axis{fill:var(--soft)}
    svg .title{font-size:12px;font-weight:600}
    svg .total{font-weight:600}
    svg .label,svg .value{font-size:11px}
    .grid{stroke:var(--grid);stroke-width:1}
    .divider{stroke:var(--rule);stroke-width:1;stroke-dasharray:2 3}
    .stem{stroke:var(--rule);stroke-width:2}
    .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
    .line.base{stroke:var(--base);stroke-dasharray:6 4}
    .line.own{stroke:var(--own);stroke-dasharray:1 4;stroke-width:2.4}
    .line.global{stroke:var(--global)}
    .line.pooled{stroke:var(--pooled);stroke-dasharray:9 3 2 3}
    .line.other{stroke:var(--other);stroke-dasharray:4 3}
    .line.faint{stroke:var(--own);stroke-width:1;opacity:.45}
    .mark{stroke:var(--paper);stroke-width:1}
    .mark.base{fill:var(--base)}
    .mark.own{fill:var(--own)}
    .mark.global{fill:var(--global)}
    .mark.pooled{fill:var(--pooled)}
    .mark.other{fill:var(--other)}
    .mark.faint{fill:var(--own);opacity:.6}
    .bar{fill:var(--global);opacity:.8}
    .box{fill:var(--box);stroke:var(--global);stroke-width:1}
    .box.total{stroke:var(--ink)}
    .whisker{stroke:var(--soft);stroke-width:1}
    .median{stroke:var(--ink);stroke-width:2}
    .mean{fill:var(--paper);stroke:var(--ink);stroke-width:1}
    .shade0{fill:var(--s0)}.shade1{fill:var(--s1)}.shade2{fill:var(--s2)}.shade3{fill:var(--s3)}
    .shade4{fill:var(--s4)}.shade5{fill:var(--s5)}.shade6{fill:var(--s6)}.shade7{fill:var(--s7)}
    .shade8{fill:var(--s8)}
    svg .cell{font-size:10px}
    svg .ink0{fill:var(--i0)}svg .ink1{fill:var(--i1)}svg .ink2{fill:var(--i2)}
    svg .ink3{fill:var(--i3)}svg .ink4{fill:var(--i4)}svg .ink5{fill:var(--i5)}
    svg .ink6{fill:var(--i6)}svg .ink7{fill:var(--i7)}svg .ink8{fill:var(--i8)}
    .scroll{overflow:auto;max-height:560px;margin:14px 0;border-bottom:1px solid var(--rule)}
    table{border-collapse:collapse;font-size:13px;line-height:1.4;min-width:100%}
    caption{text-align:left;color:var(--soft);padding:0 0 6px;max-width:min(90ch,calc(100vw - 40px))}
    th,td{padding:3px 10px;text-align:left;vertical-align:baseline;border-top:1px solid var(--grid)}
    th{position:sticky;top:0;background:var(--tint);font-weight:600;border-bottom:1px solid var(--rule);\
    vertical-align:bottom}
    td.t{white-space:nowrap}td.w{min-width:150px;max-width:420px;overflow-wrap:anywhere}
    th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    th.n{white-space:normal}
    td.s{color:var(--soft);white-space:nowrap}
    tr.total td{font-weight:600;border-top:1px solid var(--soft)}
    code{font:12px/1.4 ui-monospace,"DejaVu Sans Mono","Liberation Mono",monospace}
    section+article,article+article{margin-top:72px;border-top:4px solid var(--rule);padding-top:20px}
    footer{margin-top:48px;border-top:1px solid var(--rule);font-size:13px;color:var(--soft)}
    @media (max-width:520px){body{padding:16px 12px 40px}h1{font-size:21px}\
    dl{grid-template-columns:1fr 1fr}p.answer{font-size:16px}}
    @media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;--tint:#fff;\
    --grid:#ddd;--base:#6e7781;--own:#c85000;--global:#0068a8;--pooled:#007a5a;--other:#a8518a;\
    --box:#cfe3f3;--s0:#f1f3f5;--s1:#dcebf7;--s2:#c0dcf0;--s3:#9dc8e6;--s4:#74afd8;--s5:#4b94c6;\
    --s6:#2878b0;--s7:#0f5c94;--s8:#07406c;--i0:#57606a;--i1:#1b1f24;--i2:#1b1f24;--i3:#1b1f24;\
    --i4:#1b1f24;--i5:#000;--i6:#fff;--i7:#fff;--i8:#fff}
    body{max-width:none;padding:0;font-size:10pt}nav{display:none}
    .scroll{max-height:none;overflow:visible}table{font-size:7.5pt}code{font-size:6.5pt}\
    th{position:static}td.s{white-space:normal;overflow-wrap:anywhere}th,td{padding:2px 5px}
    figure,tr,h2+*,h3+*{break-inside:avoid}h2,h3,caption{break-after:avoid}\
    svg,.bar,rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
    """
}
