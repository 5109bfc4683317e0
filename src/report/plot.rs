//! A plot of how soon something happens, as SVG: the share of cases over the time, one curve a judge. It has no script and no font of its
//! own, is read in light and in dark, and tells its curves apart by dashes as well as by colours.

use std::fmt::Write as _;

/// The size, in pixels.
const WIDTH: f64 = 760.0;
/// Of the part in which curves are.
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 64.0;
const RIGHT: f64 = 736.0;
/// A line of the legend.
const LINE: f64 = 20.0;
/// Marks of the time's axis, in seconds, with their names.
const MARKS: [(f64, &str); 15] = [
    (0.1, "0.1 s"),
    (0.3, "0.3 s"),
    (1.0, "1 s"),
    (3.0, "3 s"),
    (10.0, "10 s"),
    (30.0, "30 s"),
    (60.0, "1 min"),
    (180.0, "3 min"),
    (600.0, "10 min"),
    (1800.0, "30 min"),
    (3600.0, "1 h"),
    (10_800.0, "3 h"),
    (36_000.0, "10 h"),
    (86_400.0, "1 d"),
    (864_000.0, "10 d"),
];
/// Colours by Okabe and Ito, for those who do not tell red from green, as they are seen well on white and on nearly black; and dashes.
const CURVES: [(&str, &str, &str); 6] = [
    ("#0072b2", "#56b4e9", "none"),
    ("#d55e00", "#ff8c42", "8 4"),
    ("#00805c", "#2fc79a", "2 3"),
    ("#a8467f", "#e69fc4", "12 3 2 3"),
    ("#7a6a00", "#f0e442", "5 2"),
    ("#555555", "#bbbbbb", "1 5"),
];

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// Seconds, above 0, and the share of cases from 0 to 1 until then; both grow.
    pub points: Vec<(f64, f64)>,
}

/// The plot, with a title and a line about what was tried.
#[must_use]
pub fn render(title: &str, about: &str, curves: &[Curve]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, title, about, curves);
    text
}

fn write(text: &mut String, title: &str, about: &str, curves: &[Curve]) -> std::fmt::Result {
    let axis = Axis::of(curves);
    #[expect(clippy::cast_precision_loss, reason = "a handful of curves")]
    let height = TOP + HEIGHT + 44.0 + LINE * curves.len() as f64;
    let (title, about) = (escaped(title), escaped(about));
    writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>{title}</title>\n<style>{}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"ink\" x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n\
         <text class=\"ink\" x=\"{LEFT}\" y=\"44\">{about}</text>",
        style(curves.len())
    )?;
    grid(text, &axis)?;
    let mut below = TOP + HEIGHT + 44.0;
    for (number, curve) in curves.iter().enumerate() {
        let class = number % CURVES.len();
        if !curve.points.is_empty() {
            writeln!(text, "<path class=\"curve c{class}\" d=\"{}\"/>", path(curve, &axis))?;
        }
        writeln!(
            text,
            "<path class=\"curve c{class}\" d=\"M{LEFT} {:.1}h32\"/><text class=\"ink\" x=\"{}\" y=\"{:.1}\">{}</text>",
            below - 4.0,
            LEFT + 42.0,
            below,
            escaped(&curve.name)
        )?;
        below += LINE;
    }
    writeln!(text, "</svg>")
}

/// The classes, for light, and for dark where the reader's system is.
fn style(curves: usize) -> String {
    let used = &CURVES[..curves.min(CURVES.len())];
    let mut light = String::from(
        ".ground{fill:#fff}.ink{fill:#1f2328}.grid{stroke:#d1d9e0;fill:none}.curve{fill:none;stroke-width:2}",
    );
    let mut dark = String::from(".ground{fill:#0d1117}.ink{fill:#e6edf3}.grid{stroke:#3d444d}");
    for (number, (on_light, on_dark, dashes)) in used.iter().enumerate() {
        let _ = write!(light, ".c{number}{{stroke:{on_light};stroke-dasharray:{dashes}}}");
        let _ = write!(dark, ".c{number}{{stroke:{on_dark}}}");
    }
    format!("{light}@media (prefers-color-scheme:dark){{{dark}}}")
}

/// The time's axis, by its logarithm: judges differ by factors.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// From the last mark before all points to the first one after them.
    fn of(curves: &[Curve]) -> Self {
        let seconds = || curves.iter().flat_map(|curve| &curve.points).map(|(seconds, _)| *seconds);
        let (first, last) = (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max));
        let marks = || MARKS.iter().map(|(at, _)| *at);
        let from = marks().rev().find(|at| *at < first).unwrap_or(MARKS[0].0);
        let to = marks().find(|at| *at > last && *at > from).unwrap_or(MARKS[MARKS.len() - 1].0);
        if first.is_finite() { Self { from, to } } else { Self { from: 1.0, to: 600.0 } }
    }

    fn x(&self, seconds: f64) -> f64 {
        let part = (seconds.clamp(self.from, self.to) / self.from).ln() / (self.to / self.from).ln();
        LEFT + part * (RIGHT - LEFT)
    }
}

fn y(share: f64) -> f64 {
    TOP + HEIGHT * (1.0 - share.clamp(0.0, 1.0))
}

fn grid(text: &mut String, axis: &Axis) -> std::fmt::Result {
    for percent in [0_u8, 25, 50, 75, 100] {
        let y = y(f64::from(percent) / 100.0);
        writeln!(text, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>")?;
        let (x, below) = (LEFT - 8.0, y + 4.0);
        writeln!(
            text,
            "<text class=\"ink\" x=\"{x}\" y=\"{below:.1}\" text-anchor=\"end\">{percent} %</text>"
        )?;
    }
    for (at, name) in MARKS.iter().filter(|(at, _)| (axis.from..=axis.to).contains(at)) {
        let (x, bottom) = (axis.x(*at), TOP + HEIGHT);
        writeln!(text, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>")?;
        let below = bottom + 18.0;
        writeln!(
            text,
            "<text class=\"ink\" x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>"
        )?;
    }
    Ok(())
}

/// Steps: nothing happens between two cases. It goes on level to the end.
fn path(curve: &Curve, axis: &Axis) -> String {
    let mut path = format!("M{LEFT} {:.1}", y(0.0));
    for (seconds, share) in &curve.points {
        let _ = write!(path, "H{:.1}V{:.1}", axis.x(*seconds), y(*share));
    }
    let _ = write!(path, "H{RIGHT}");
    path
}

/// Text within XML. Characters that XML does not allow are left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in super::safe::plain(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        Curve { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn each_judge_has_a_curve_and_a_line_in_the_legend() {
        let text = render(
            "Title",
            "about",
            &[curve("ours", &[(9.0, 0.5), (20.0, 1.0)]), curve("none stopped", &[])],
        );
        assert_eq!(text.matches("class=\"curve c0\"").count(), 2, "{text}");
        assert_eq!(text.matches("class=\"curve c1\"").count(), 1, "{text}");
        // From 3 s to 30 s; half of the way up at ln 3 / ln 10 of the width.
        let x = LEFT + (RIGHT - LEFT) * 3f64.ln() / 10f64.ln();
        assert!(text.contains(&format!("H{x:.1}V{:.1}H", TOP + HEIGHT / 2.0)), "{text}");
        assert!(text.contains(">10 s<") && !text.contains(">1 s<") && !text.contains(">1 min<"), "{text}");
        assert!(text.contains("prefers-color-scheme:dark"), "{text}");
    }

    #[test]
    fn text_is_no_markup() {
        let text = render("a < b & <script>", "\u{7}", &[curve("</svg>", &[])]);
        assert!(!text.contains("<script>") && text.matches("</svg>").count() == 1, "{text}");
        assert!(text.contains("a &lt; b &amp; &lt;script&gt;"), "{text}");
    }

    #[test]
    fn more_judges_than_colours_and_times_off_the_axis_are_drawn() {
        let many: Vec<Curve> = (0..9).map(|_| curve("x", &[(1e-9, 0.1), (1e12, 1.0)])).collect();
        let text = render("t", "a", &many);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert_eq!(text.matches("class=\"curve").count(), 18);
    }
}
