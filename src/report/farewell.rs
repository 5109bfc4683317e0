//! The last word of a comment on a pull request: its preview is gone.

use super::github::{lines_of, marker_of};
use super::safe;

/// Which comments are such words.
const GONE: &str = "<!-- tidegate:gone -->";

/// And which of them say that it does not come again by itself.
const STOPPED: &str = "<!-- tidegate:stopped -->";

/// By which the comment of that app and environment is found.
#[must_use]
pub fn marker(app: &str, environment: &str) -> String {
    marker_of(app, environment)
}

/// Whether a comment says already that its preview is gone.
#[must_use]
pub fn is_one(comment: &str) -> bool {
    comment.contains(GONE)
}

/// Whether a comment says that its preview does not come again by itself.
#[must_use]
pub fn is_stopped(comment: &str) -> bool {
    comment.contains(STOPPED)
}

/// The comment in whole; `is_stopped` says that a push or `/preview` alone brings it again; `before` is what it was, whose history is kept.
#[must_use]
pub fn render(app: &str, environment: &str, why: &str, is_stopped: bool, before: &str) -> String {
    let (name, place) = (safe::text(app), safe::text(environment));
    let again = if is_stopped { "A push brings it again, or a comment `/preview`.\n\n" } else { "" };
    let stopped = if is_stopped { STOPPED } else { "" };
    let why = safe::text(why);
    let full =
        format!("## 🧹 {name} → {place}\n\n**The preview is gone: {why}.**\n\n{again}{GONE}{stopped}\n");
    format!("{}\n{full}{}", marker(app, environment), lines_of(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_cannot_be_markup_and_the_comment_is_found_again() {
        let text = render("shop", "preview-7", "ada <b>stopped</b> it -->", true, "");
        assert!(is_stopped(&text) && !is_stopped(&render("shop", "preview-7", "closed", false, &text)));
        assert!(text.starts_with(&marker("shop", "preview-7")) && is_one(&text));
        assert!(!text.contains("<b>"), "{text}");
        assert!(!is_one("The preview is gone"));
    }
}
