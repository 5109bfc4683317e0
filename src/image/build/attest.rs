//! Which attestations a build has. Pure.

use super::Order;

/// What decides over attestations besides the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the builder can make them.
    pub is_able: bool,
    /// Whether the repository is a private one: what is in it is then not told by default.
    pub is_private: bool,
    /// The address of the workflow's run, which is who built it; empty outside of one.
    pub run_url: String,
}

/// The values of `--attest`.
#[must_use]
pub fn attests(order: &Order, facts: &Facts) -> Vec<String> {
    let mut all: Vec<String> = order.attests.iter().map(|attest| settled(attest)).collect();
    let has_own =
        order.attests.iter().any(|attest| attest.split(',').any(|field| field == "type=provenance"));
    let goes_to_engine =
        order.load || order.outputs.iter().any(|output| super::output_type(output) == "docker");
    match &order.provenance {
        Some(wanted) => {
            let is_off = boolean(wanted) == Some(false);
            let wanted = if boolean(wanted) == Some(true) { "" } else { wanted };
            let attributes = if is_off { wanted.to_owned() } else { with_builder(wanted, &facts.run_url) };
            all.push(settled(&joined("type=provenance", &attributes)));
        }
        None if !has_own && facts.is_able && !goes_to_engine => {
            let mode = if facts.is_private { "mode=min,inline-only=true" } else { "mode=max" };
            all.push(joined("type=provenance", &with_builder(mode, &facts.run_url)));
        }
        None => {}
    }
    if let Some(sbom) = &order.sbom {
        all.push(settled(&joined("type=sbom", sbom)));
    }
    all
}

fn joined(kind: &str, attributes: &str) -> String {
    if attributes.is_empty() { kind.to_owned() } else { format!("{kind},{attributes}") }
}

/// Provenance names who built it, unless it says so itself.
fn with_builder(attributes: &str, run_url: &str) -> String {
    if run_url.is_empty() || attributes.split(',').any(|field| field.trim().starts_with("builder-id=")) {
        return attributes.to_owned();
    }
    match attributes {
        "" => format!("builder-id={run_url}"),
        some => format!("{some},builder-id={run_url}"),
    }
}

/// A field that is `true` or `false` is about whether there is one at all.
fn settled(attest: &str) -> String {
    let field = |field: &str| match boolean(field) {
        Some(is_on) => format!("disabled={}", !is_on),
        None => field.to_owned(),
    };
    attest.split(',').map(|text| field(text.trim())).collect::<Vec<_>>().join(",")
}

/// What Go and YAML take for a boolean.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "1" | "t" | "T" => Some(true),
        "false" | "False" | "FALSE" | "0" | "f" | "F" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(order: Order, is_private: bool, run_url: &str) -> Vec<String> {
        attests(&order, &Facts { is_able: true, is_private, run_url: run_url.to_owned() })
    }

    fn provenance(text: &str) -> Order {
        Order { provenance: Some(text.to_owned()), ..Order::default() }
    }

    #[test]
    fn a_private_repository_tells_less() {
        assert_eq!(of(Order::default(), false, ""), ["type=provenance,mode=max"]);
        assert_eq!(of(Order::default(), true, ""), ["type=provenance,mode=min,inline-only=true"]);
        assert_eq!(of(Order::default(), false, "u"), ["type=provenance,mode=max,builder-id=u"]);
    }

    #[test]
    fn what_is_wanted_is_taken() {
        assert_eq!(of(provenance("false"), false, "u"), ["type=provenance,disabled=true"]);
        assert_eq!(of(provenance("true"), false, "u"), ["type=provenance,builder-id=u"]);
        assert_eq!(of(provenance("true"), false, ""), ["type=provenance"]);
        assert_eq!(of(provenance("mode=min"), false, "u"), ["type=provenance,mode=min,builder-id=u"]);
        assert_eq!(
            of(provenance("mode=max,builder-id=x"), false, "u"),
            ["type=provenance,mode=max,builder-id=x"]
        );
        let order = Order { sbom: Some("true".to_owned()), ..provenance("false") };
        assert_eq!(of(order, false, ""), ["type=provenance,disabled=true", "type=sbom,disabled=false"]);
        let order = Order { sbom: Some("generator=scan".to_owned()), ..provenance("false") };
        assert_eq!(of(order, false, "")[1], "type=sbom,generator=scan");
    }

    #[test]
    fn nothing_is_added_where_it_cannot_be_or_is_there() {
        let attests_own = Order { attests: vec!["type=provenance,mode=max".to_owned()], ..Order::default() };
        assert_eq!(of(attests_own, false, "u"), ["type=provenance,mode=max"]);
        assert_eq!(of(Order { load: true, ..Order::default() }, false, ""), Vec::<String>::new());
        let docker = Order { outputs: vec!["type=docker,dest=x.tar".to_owned()], ..Order::default() };
        assert_eq!(of(docker, false, ""), Vec::<String>::new());
        assert_eq!(attests(&Order::default(), &Facts::default()), Vec::<String>::new());
    }
}
