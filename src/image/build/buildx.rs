//! An order as the words of `docker buildx build`. Pure. No secret's value is among them.

use super::Order;

/// What goes with a build besides the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// The attestations, by [`attests`](super::attests).
    pub attests: Vec<String>,
    /// Of each secret of the order: where it is, as buildx takes it.
    pub secrets: Vec<String>,
    /// The file that buildx writes the digest to.
    pub metadata: String,
    /// The file that buildx writes the image's id to.
    pub iid: String,
}

/// The words after `docker`.
#[must_use]
pub(super) fn arguments(order: &Order, around: &Around) -> Vec<String> {
    let mut words = Words::new(&["buildx", "build", "--progress=rawjson"]);
    words.maybe("--builder", order.builder.as_ref());
    words.maybe("--file", order.file.as_ref());
    words.maybe("--target", order.target.as_ref());
    if !order.platforms.is_empty() {
        words.pair("--platform", &order.platforms.join(","));
    }
    words.each("--tag", &order.tags);
    words.each("--label", &order.labels);
    words.each("--annotation", &order.annotations);
    words.each("--build-arg", &order.build_args);
    words.each("--build-context", &order.build_contexts);
    words.each("--secret", &around.secrets);
    words.each("--ssh", &order.ssh);
    words.each("--cache-from", &order.cache_from);
    words.each("--cache-to", &order.cache_to);
    words.flag("--no-cache", order.no_cache);
    words.each("--no-cache-filter", &order.no_cache_filters);
    words.flag("--pull", order.pull);
    words.flag("--push", order.push);
    words.flag("--load", order.load);
    words.each("--output", &order.outputs);
    words.each("--attest", &around.attests);
    words.maybe("--network", order.network.as_ref());
    words.maybe("--shm-size", order.shm_size.as_ref());
    words.each("--ulimit", &order.ulimits);
    words.each("--add-host", &order.add_hosts);
    words.maybe("--cgroup-parent", order.cgroup_parent.as_ref());
    words.each("--allow", &order.allow);
    words.maybe("--call", order.call.as_ref());
    let is_files = order.outputs.iter().any(|output| matches!(super::output_type(output), "local" | "tar"));
    if !order.is_call() {
        words.pair("--metadata-file", &around.metadata);
        if !is_files {
            words.pair("--iidfile", &around.iid);
        }
    }
    words.end(&order.context)
}

/// Words of a command line, as they come.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(first: &[&str]) -> Self {
        Self(first.iter().map(ToString::to_string).collect())
    }

    pub(super) fn pair(&mut self, flag: &str, value: &str) {
        self.0.extend([flag.to_owned(), value.to_owned()]);
    }

    pub(super) fn maybe(&mut self, flag: &str, value: Option<&String>) {
        value.into_iter().for_each(|value| self.pair(flag, value));
    }

    pub(super) fn each(&mut self, flag: &str, values: &[String]) {
        values.iter().for_each(|value| self.pair(flag, value));
    }

    pub(super) fn flag(&mut self, flag: &str, is_on: bool) {
        if is_on {
            self.0.push(flag.to_owned());
        }
    }

    /// As they are.
    pub(super) fn all(self) -> Vec<String> {
        self.0
    }

    /// The context comes last, and is never taken for a flag or for standard input.
    pub(super) fn end(mut self, context: &str) -> Vec<String> {
        let context = if context.starts_with('-') { format!("./{context}") } else { context.to_owned() };
        self.0.push(context);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    #[test]
    fn orders_are_words_of_buildx() {
        let mut told = String::new();
        for (name, order) in cases::all() {
            let secrets =
                (0..order.secrets.len()).map(|n| super::super::secret::spec(&order.secrets[n], n, None));
            let around = Around {
                attests: Vec::new(),
                secrets: secrets.collect(),
                metadata: "/t/metadata.json".to_owned(),
                iid: "/t/iid".to_owned(),
            };
            told += &format!("## {name}\n{}\n\n", arguments(&order, &around).join("\n"));
        }
        assert!(!told.contains(cases::SECRET));
        insta::assert_snapshot!(told);
    }
}
