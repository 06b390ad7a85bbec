//! A bar chart as SVG, written by hand: one bar a system, grouped by shape, with whiskers for the spread.

use std::fmt::Write;

use super::report::{Report, Row, figure};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 190.0;
const BAR: f64 = 20.0;

/// The rows of `metric` as horizontal bars. Each shape has its own scale: what is compared is the
/// systems within a shape.
pub fn bars(report: &Report, title: &str, metric: &str) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.metric == metric).collect();
    let mut shapes: Vec<&str> = Vec::new();
    for row in &rows {
        if !shapes.contains(&row.shape.as_str()) {
            shapes.push(&row.shape);
        }
    }
    let mut y = 64.0;
    let mut body = String::new();
    for shape in shapes {
        let group = || rows.iter().filter(|row| row.shape == shape);
        let most = group().map(|row| row.max).fold(f64::MIN_POSITIVE, f64::max);
        let scale = |value: f64| LEFT + (value / most).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
        let _ = writeln!(body, r#"<text x="16" y="{:.0}" class="h">{}</text>"#, y + 14.0, escape(shape));
        y += 24.0;
        for row in group() {
            draw(&mut body, row, y, scale);
            y += BAR + 6.0;
        }
        y += 12.0;
    }
    let unit = rows.first().map(|row| row.unit.as_str()).unwrap_or_default();
    let height = y + 44.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{label}">
<style>text{{font:13px system-ui,sans-serif;fill:#24292f}}.h{{font-weight:600}}.s{{font-size:11px;fill:#57606a}}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="26" class="h" style="font-size:16px">{name}: {metric}</text>
<text x="16" y="46" class="s">{unit}; median of {rounds} interleaved rounds, whiskers from least to most; each shape has its own scale</text>
{body}<text x="16" y="{foot:.0}" class="s">{machine} · {date} · {commit}</text>
<text x="16" y="{last:.0}" class="s">{command}</text>
</svg>
"##,
        label = escape(&format!("{title}: {metric} by shape and system")),
        name = escape(title),
        metric = escape(metric),
        unit = escape(unit),
        rounds = report.rounds,
        foot = height - 28.0,
        last = height - 12.0,
        machine = escape(&report.machine),
        date = escape(&report.date),
        commit = escape(&report.commit),
        command = escape(&report.command),
    )
}

fn draw(body: &mut String, row: &Row, y: f64, scale: impl Fn(f64) -> f64) {
    let colour = match row.system.as_str() {
        "floor" => "#8c959f",
        "gigsy" => "#0969da",
        _ => "#bf8700",
    };
    let (end, low, high, middle) = (scale(row.median), scale(row.min), scale(row.max), y + BAR / 2.0);
    let ratio = row.ratio_to_floor.filter(|_| row.system != "floor");
    let ratio = ratio.map(|ratio| format!(" ({ratio:.2} × floor)")).unwrap_or_default();
    let _ = writeln!(
        body,
        r##"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text><rect x="{LEFT}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{colour}"/><path d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {a:.1}V{b:.1}M{high:.1} {a:.1}V{b:.1}" stroke="#24292f" fill="none"/><text x="{:.1}" y="{:.1}">{}{ratio}</text>"##,
        LEFT - 8.0,
        middle + 4.5,
        escape(&row.system),
        (end - LEFT).max(1.0),
        high.max(end) + 8.0,
        middle + 4.5,
        figure(row.median),
        a = middle - 4.0,
        b = middle + 4.0,
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
