//! The cache of GitHub's Actions, by one word. Pure.
//!
//! A scope is what one build overwrites of another. BuildKit exports one cache for a build, with all its platforms in it, so a build of
//! several platforms needs one scope and loses nothing. What overwrites each other are builds that are apart: of other images, stages,
//! or platforms in jobs of their own. So the scope is made of all three.

use super::Order;

/// The values of `cache-from` and `cache-to` for `cache: gha`.
#[must_use]
pub fn of_actions(order: &Order) -> (String, String) {
    let scope = scope(order);
    (format!("type=gha,scope={scope}"), format!("type=gha,mode=max,scope={scope}"))
}

fn scope(order: &Order) -> String {
    let name = order.tags.first().map(|tag| repository(tag)).unwrap_or_default();
    let mut platforms = order.platforms.clone();
    platforms.sort();
    let parts = [Some(name), order.target.clone(), Some(platforms.join("_"))];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let scope = if parts.is_empty() { "image".to_owned() } else { parts.join("-") };
    let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    scope.chars().map(|c| if is_kept(c) { c } else { '-' }).collect()
}

/// The last part of a name, without tag and digest.
fn repository(tag: &str) -> String {
    let name = tag.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_that_are_apart_have_scopes_of_their_own() {
        let of = |tag: &str, target: Option<&str>, platforms: &[&str]| {
            scope(&Order {
                tags: vec![tag.to_owned()],
                target: target.map(str::to_owned),
                platforms: platforms.iter().map(ToString::to_string).collect(),
                ..Order::default()
            })
        };
        assert_eq!(of("r.test:5000/acme/shop:1.2", None, &["linux/amd64"]), "shop-linux-amd64");
        assert_eq!(of("acme/shop", None, &["linux/arm64", "linux/amd64"]), "shop-linux-amd64_linux-arm64");
        assert_eq!(of("acme/shop", Some("web"), &["linux/arm/v7"]), "shop-web-linux-arm-v7");
        assert_eq!(scope(&Order::default()), "image");
        let order = Order { tags: vec!["shop".to_owned()], ..Order::default() };
        assert_eq!(
            of_actions(&order),
            ("type=gha,scope=shop".to_owned(), "type=gha,mode=max,scope=shop".to_owned())
        );
    }
}
