//! An order as the words of `docker build` where there is no buildx: the builder that Docker Engine has had from the begin. Pure.

use super::Order;
use super::buildx::Words;
use super::lack::{Lack, lacks};

/// What it cannot do that somebody has asked for.
#[must_use]
pub(super) fn lacking(order: &Order) -> Vec<&'static str> {
    let caches =
        order.cache_from.iter().any(|cache| cache.contains("type=") && !cache.contains("type=registry"));
    lacks(&[
        Lack("several platforms", order.platforms.len() > 1),
        Lack("annotations", !order.annotations.is_empty()),
        Lack("build-contexts", !order.build_contexts.is_empty()),
        Lack("secrets", !order.secrets.is_empty()),
        Lack("ssh", !order.ssh.is_empty()),
        Lack("cache-to", !order.cache_to.is_empty()),
        Lack("cache-from of other types than registry", caches),
        Lack("no-cache-filters", !order.no_cache_filters.is_empty()),
        Lack("outputs", !order.outputs.is_empty()),
        Lack("provenance", order.provenance.as_deref().is_some_and(|text| text != "false")),
        Lack("sbom", order.sbom.as_deref().is_some_and(|text| text != "false")),
        Lack("attests", !order.attests.is_empty()),
        Lack("allow", !order.allow.is_empty()),
        Lack("call", order.is_call()),
        Lack("builder", order.builder.is_some()),
    ])
}

/// The words after `docker`. It writes the image's id to this file.
#[must_use]
pub(super) fn arguments(order: &Order, iid: &str) -> Vec<String> {
    let mut words = Words::new(&["build"]);
    words.maybe("--file", order.file.as_ref());
    words.maybe("--target", order.target.as_ref());
    words.maybe("--platform", order.platforms.first());
    words.each("--tag", &order.tags);
    words.each("--label", &order.labels);
    words.each("--build-arg", &order.build_args);
    let from: Vec<String> = order.cache_from.iter().map(|cache| image_of(cache)).collect();
    words.each("--cache-from", &from);
    words.flag("--no-cache", order.no_cache);
    words.flag("--pull", order.pull);
    words.maybe("--network", order.network.as_ref());
    words.maybe("--shm-size", order.shm_size.as_ref());
    words.each("--ulimit", &order.ulimits);
    words.each("--add-host", &order.add_hosts);
    words.maybe("--cgroup-parent", order.cgroup_parent.as_ref());
    words.pair("--iidfile", iid);
    words.end(&order.context)
}

/// The image of a cache in a registry, which is all that this builder takes.
fn image_of(cache: &str) -> String {
    cache.split(',').find_map(|field| field.trim().strip_prefix("ref=")).unwrap_or(cache).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    #[test]
    fn orders_are_words_of_docker_or_refused() {
        let mut told = String::new();
        for (name, order) in cases::all() {
            let lacking = lacking(&order);
            let words = if lacking.is_empty() {
                arguments(&order, "/t/iid").join("\n")
            } else {
                format!("refused: {}", lacking.join(", "))
            };
            told += &format!("## {name}\n{words}\n\n");
        }
        insta::assert_snapshot!(told);
    }
}
