//! An order as the words of `buildah build` (<https://github.com/containers/buildah/blob/main/docs/buildah-build.1.md>). Pure.

use super::Order;
use super::buildx::Words;
use super::lack::{Lack, lacks};

/// What it cannot do that somebody has asked for.
#[must_use]
pub(super) fn lacking(order: &Order) -> Vec<&'static str> {
    let typed = |caches: &[String]| {
        caches.iter().any(|cache| cache.contains("type=") && !cache.contains("type=registry"))
    };
    let has_caches = !order.cache_from.is_empty() || !order.cache_to.is_empty();
    lacks(&[
        Lack("caches for several platforms", is_list(order) && has_caches),
        Lack("caches of other types than registry", typed(&order.cache_from) || typed(&order.cache_to)),
        Lack("no-cache-filters", !order.no_cache_filters.is_empty()),
        Lack("outputs", !order.outputs.is_empty()),
        Lack("load", order.load),
        Lack("annotations with a level", order.annotations.iter().any(|one| has_level(one))),
        Lack("provenance", order.provenance.as_deref().is_some_and(|text| text != "false")),
        Lack("sbom", order.sbom.as_deref().is_some_and(|text| text != "false")),
        Lack("attests", !order.attests.is_empty()),
        Lack("allow", !order.allow.is_empty()),
        Lack("call", order.is_call()),
        Lack("builder", order.builder.is_some()),
    ])
}

/// Whether it is about something else than manifests, which is what buildah annotates.
fn has_level(annotation: &str) -> bool {
    let key = annotation.split('=').next().unwrap_or_default();
    key.split_once(':').is_some_and(|(level, _)| level != "manifest")
}

/// The words after `buildah`. `name` is what the image, or the list of images of several platforms, is called here.
#[must_use]
pub(super) fn arguments(order: &Order, secrets: &[String], name: &str) -> Vec<String> {
    // Of what it keeps it takes the layer of one platform for that of another, where the instructions are the same.
    let mut words = Words::new(&["build", if is_list(order) { "--layers=false" } else { "--layers" }]);
    words.maybe("--file", order.file.as_ref());
    words.maybe("--target", order.target.as_ref());
    if !order.platforms.is_empty() {
        words.pair("--platform", &order.platforms.join(","));
    }
    words.pair(if is_list(order) { "--manifest" } else { "--tag" }, name);
    words.each("--label", &order.labels);
    let plain = |one: &String| one.strip_prefix("manifest:").unwrap_or(one).to_owned();
    words.each("--annotation", &order.annotations.iter().map(plain).collect::<Vec<_>>());
    words.each("--build-arg", &order.build_args);
    words.each("--build-context", &order.build_contexts);
    words.each("--secret", secrets);
    words.each("--ssh", &order.ssh);
    words.each("--cache-from", &order.cache_from.iter().map(|cache| repository(cache)).collect::<Vec<_>>());
    words.each("--cache-to", &order.cache_to.iter().map(|cache| repository(cache)).collect::<Vec<_>>());
    words.flag("--no-cache", order.no_cache);
    words.flag("--pull", order.pull);
    words.maybe("--network", order.network.as_ref());
    words.maybe("--shm-size", order.shm_size.as_ref());
    words.each("--ulimit", &order.ulimits);
    words.each("--add-host", &order.add_hosts);
    words.maybe("--cgroup-parent", order.cgroup_parent.as_ref());
    words.end(&order.context)
}

/// The words after `buildah` that push it under one of its names; the digest goes into this file.
#[must_use]
pub(super) fn push_arguments(order: &Order, name: &str, tag: &str, digest: &str) -> Vec<String> {
    let mut words =
        if is_list(order) { Words::new(&["manifest", "push", "--all"]) } else { Words::new(&["push"]) };
    words.pair("--digestfile", digest);
    words.pair(name, &format!("docker://{tag}"));
    words.all()
}

/// Whether several images come of it.
fn is_list(order: &Order) -> bool {
    order.platforms.len() > 1
}

/// buildah's caches are repositories, without a tag.
fn repository(cache: &str) -> String {
    let name = cache.split(',').find_map(|field| field.trim().strip_prefix("ref=")).unwrap_or(cache);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    #[test]
    fn orders_are_words_of_buildah_or_refused() {
        let mut told = String::new();
        for (name, order) in cases::all() {
            let lacking = lacking(&order);
            let secrets = order.secrets.iter().enumerate();
            let secrets: Vec<String> =
                secrets.map(|(number, secret)| super::super::secret::spec(secret, number, None)).collect();
            let words = if lacking.is_empty() {
                arguments(&order, &secrets, "tidegate-build").join("\n")
            } else {
                format!("refused: {}", lacking.join(", "))
            };
            assert!(!words.contains(cases::SECRET));
            told += &format!("## {name}\n{words}\n\n");
        }
        let list = Order { platforms: vec!["a".to_owned(), "b".to_owned()], ..Order::default() };
        for order in [Order::default(), list] {
            told += &format!("{}\n", push_arguments(&order, "n", "r.test/a:1", "/t/d").join(" "));
        }
        insta::assert_snapshot!(told);
    }
}
