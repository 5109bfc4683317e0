//! Where a finding is: the addresses of a report as paths.

use percent_encoding::percent_decode_str;

use super::sarif::{Outcome, Run};

/// File and line of a result's first place, where it tells one.
pub(super) fn of(run: &Run, result: &Outcome) -> (Option<String>, Option<u32>) {
    let places = result.locations.iter().flatten().filter_map(|one| one.physical_location.as_ref());
    for place in places {
        let Some(location) = &place.artifact_location else { continue };
        let listed = || {
            let index = usize::try_from(location.index?).ok()?;
            run.artifacts.as_ref()?.get(index)?.location.as_ref()?.uri.as_deref()
        };
        let Some(address) = location.uri.as_deref().or_else(listed) else { continue };
        let line = place.region.as_ref().and_then(|region| u32::try_from(region.start_line?).ok());
        return (Some(path(address)), line.filter(|line| *line > 0));
    }
    (None, None)
}

/// The path that an address means; another address, such as one on the web, stays what it is.
fn path(address: &str) -> String {
    let local = match address.split_once("://") {
        Some(("file", rest)) => rest.find('/').map_or(rest, |at| &rest[at..]),
        Some(_) => return address.to_owned(),
        None => address.strip_prefix("file:").unwrap_or(address),
    };
    let path = percent_decode_str(local).decode_utf8().map_or_else(|_| local.to_owned(), Into::into);
    path.strip_prefix("./").map_or(path.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn addresses_are_paths_where_they_can_be() {
        for (address, expected) in [
            ("src/a%20b.rs", "src/a b.rs"),
            ("./go.sum", "go.sum"),
            ("file:///w/shop/go.sum", "/w/shop/go.sum"),
            ("file:/w/x", "/w/x"),
            ("file://host/w/x", "/w/x"),
            ("%ff", "%ff"),
            ("https://example.test/a%20b", "https://example.test/a%20b"),
        ] {
            assert_eq!(path(address), expected);
        }
    }
}
