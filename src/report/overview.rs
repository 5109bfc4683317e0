//! All previews of an app at a look: the comment on the issue that is kept for them.

use std::fmt::Write as _;

use super::safe;

/// The longest comment that GitHub takes has 65,536 characters.
const MOST: usize = 60_000;

/// One preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The number of the pull request.
    pub number: u64,
    /// Its branch, as somebody called it.
    pub branch: String,
    /// Where it is.
    pub url: Option<String>,
    /// The commit that it was last asked to run.
    pub commit: Option<String>,
    /// How far it is, in one word.
    pub stage: &'static str,
    /// Until when it lives, in words.
    pub until: String,
    /// One sentence about how it stands; empty where there is nothing to say.
    pub sentence: String,
}

/// By which the comment is found.
#[must_use]
pub fn marker(app: &str) -> String {
    format!("<!-- tidegate:previews:{} -->", app.replace("--", "-\u{2010}"))
}

/// The comment in whole; `at` is the moment that it tells of, in words.
#[must_use]
pub fn render(app: &str, rows: &[Row], at: &str) -> String {
    let mut text = format!("{}\n## 🔭 {}: previews\n\n", marker(app), safe::text(app));
    if rows.is_empty() {
        text += "There are none.\n";
    } else {
        text += "| pull request | branch | address | commit | | lives until |\n| --- | --- | --- | --- | --- | --- |\n";
    }
    for row in rows {
        let url =
            row.url.as_deref().and_then(safe::address).map_or_else(String::new, |url| format!("<{url}>"));
        let commit = row.commit.as_deref().and_then(|commit| commit.get(..12)).unwrap_or_default();
        let sentence = if row.stage == "up" || row.sentence.is_empty() {
            String::new()
        } else {
            format!(": {}", safe::text(&row.sentence))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| #{} | {} | {url} | {} | {}{sentence} | {} |",
            row.number,
            safe::text(&row.branch),
            safe::text(commit),
            row.stage,
            safe::text(&row.until)
        );
    }
    let _ = write!(text, "\n{} of them, as of {at}.\n", rows.len());
    safe::cut(&text, MOST, "\n… and more: `tidegate preview list` has all of them.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preview_has_a_line_and_nobody_s_words_are_markup() {
        let row = |number: u64, branch: &str, stage: &'static str| Row {
            number,
            branch: branch.to_owned(),
            url: Some(format!("https://pr-{number}.test")),
            commit: Some("0123456789abcdef".to_owned()),
            stage,
            until: "2026-12-02 10:00 UTC".to_owned(),
            sentence: "the pods do | not <b>come</b> up".to_owned(),
        };
        let text = render("shop", &[row(7, "a|b <script> @all", "failed"), row(8, "x", "up")], "now");
        assert!(text.starts_with(&marker("shop")), "{text}");
        assert!(text.contains("| #8 | x | <https://pr-8.test> | 0123456789ab | up | 2026"), "{text}");
        assert!(!text.contains("<script>") && !text.contains("<b>") && !text.contains(" @all"), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| #7")).collect();
        let [line] = lines.as_slice() else { panic!("{text}") };
        let parted = line.replace("\\|", "").matches('|').count();
        assert_eq!(parted, 7, "{line}");
        assert!(render("shop", &[], "now").contains("There are none."));
    }
}
