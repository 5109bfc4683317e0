//! Pages of a list and the `link` header between them.

/// GitHub's default and most.
const USUAL: usize = 30;
const MOST: usize = 100;

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// How many there are on all pages.
    pub(crate) total: usize,
    /// The `link` header, when there is more than one page.
    pub(crate) link: Option<String>,
}

/// The page of `items` that `query` asks for. `url` is the request's address without its query.
pub(crate) fn page<T>(items: Vec<T>, query: &[(String, String)], url: &str) -> Page<T> {
    let number = |name: &str| {
        query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let size = number("per_page").filter(|size| *size > 0).unwrap_or(USUAL).min(MOST);
    let at = number("page").unwrap_or(1).max(1);
    let total = items.len();
    let last = total.div_ceil(size).max(1);
    let link = (last > 1).then(|| links(query, url, at, last));
    let items = items.into_iter().skip((at - 1).saturating_mul(size)).take(size).collect();
    Page { items, total, link }
}

fn links(query: &[(String, String)], url: &str, at: usize, last: usize) -> String {
    let to = |page: usize, relation: &str| {
        let others = query.iter().filter(|(name, _)| name != "page");
        let mut pairs: Vec<String> =
            others.map(|(name, value)| format!("{name}={}", crate::github::escape::escaped(value))).collect();
        pairs.push(format!("page={page}"));
        format!("<{url}?{}>; rel=\"{relation}\"", pairs.join("&"))
    };
    let mut links = Vec::new();
    if at > 1 {
        links.push(to((at - 1).min(last), "prev"));
    }
    if at < last {
        links.push(to(at + 1, "next"));
        links.push(to(last, "last"));
    }
    if at > 1 {
        links.push(to(1, "first"));
    }
    links.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(count: usize, query: &[(&str, &str)]) -> Page<usize> {
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        page((0..count).collect(), &query, "http://h/x")
    }

    #[test]
    fn a_short_list_is_one_page_without_links() {
        assert_eq!(asked(30, &[]), Page { items: (0..30).collect(), total: 30, link: None });
        assert_eq!(asked(0, &[]).link, None);
    }

    #[test]
    fn a_middle_page_links_to_all_four_and_keeps_the_query() {
        let page = asked(5, &[("per_page", "2"), ("page", "2"), ("since", "a b")]);
        assert_eq!(page.items, [2, 3]);
        let link = page.link.unwrap();
        let expected = "<http://h/x?per_page=2&since=a%20b&page=1>; rel=\"prev\", \
            <http://h/x?per_page=2&since=a%20b&page=3>; rel=\"next\", \
            <http://h/x?per_page=2&since=a%20b&page=3>; rel=\"last\", \
            <http://h/x?per_page=2&since=a%20b&page=1>; rel=\"first\"";
        assert_eq!(link, expected);
    }

    #[test]
    fn a_page_holds_a_hundred_at_most_and_the_one_after_the_last_is_empty() {
        assert_eq!(asked(150, &[("per_page", "1000")]).items.len(), 100);
        assert_eq!(asked(150, &[("per_page", "100"), ("page", "3")]).items, [0_usize; 0]);
    }
}
