//! What a Prometheus tells of the instances, instead of the instances themselves.
//!
//! It is asked for all instances of both releases at once, by the names of their pods: those are in the series of every usual
//! configuration, while a release's label is not. A series for each pod, and not a sum, is what the ledger needs: a pod that begins
//! anew, comes or goes changes its own counts only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Instance;
use super::ledger::Visit;
use super::text::{Reading, whole};
use crate::prometheus::{Prometheus, Series, Token, Unanswered};
use crate::rollout::Counts;

/// What a query has a series for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each pod.
    Pod,
    /// Each Service that a router leads to.
    Service,
}

impl By {
    /// The label with its name, which is also what it is called.
    const fn label(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Service => "service",
        }
    }
}

/// A Prometheus that counts the requests of the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSource {
    /// Its address: scheme, host and port, and a path where it has one.
    pub address: String,
    /// What it is to be given with each question.
    pub token: Credential,
    /// What it is asked.
    pub queries: Queries,
}

/// What a Prometheus is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: anybody may ask.
    Open,
    /// This token.
    Token(Token),
    /// A token that is not known here, for the variable of this name is not set.
    Missing(String),
}

/// Queries in PromQL for cumulative counts, with a series for each pod or Service. `{{namespace}}`, `{{pods}}` or `{{services}}` (an
/// expression that fits the names of all of them), `{{ports}}` (one that fits the ports of the Services), `{{slower-than}}` and `{{slower-than-ms}}` (the bound, in seconds and in milliseconds) are
/// filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    /// Requests answered.
    pub requests: String,
    /// Of those, answered with an error.
    pub errors: String,
    /// Of those, slower than the bound; nothing where nobody says how to tell.
    pub slow: Option<String>,
    /// What there is a series for.
    pub by: By,
}

/// Counts by the name of the pod or the Service.
type ByName = BTreeMap<String, f64>;

/// Asks for the counts of instances.
pub(super) struct Asker {
    prometheus: Result<Prometheus, String>,
    queries: Queries,
    namespace: String,
}

/// What the queries gave, each by name.
#[derive(Debug, Default)]
struct Answers {
    requests: ByName,
    errors: ByName,
    /// Nothing where latency is not compared.
    slow: Option<ByName>,
}

impl Asker {
    pub(super) fn new(source: PrometheusSource, namespace: &str) -> Self {
        let PrometheusSource { address, token, queries } = source;
        let prometheus = match token {
            Credential::Open => Prometheus::new(&address, None).map_err(|error| error.to_string()),
            Credential::Token(token) => {
                Prometheus::new(&address, Some(token)).map_err(|error| error.to_string())
            }
            Credential::Missing(name) => Err(format!(
                "Prometheus at {address} is not asked: its token is to be ${name}, which is not set"
            )),
        };
        Self { prometheus, queries, namespace: namespace.to_owned() }
    }

    /// What it tells of these instances, in their order.
    pub(super) async fn visits(&self, of: &[Instance], bound: Option<Duration>) -> Vec<Visit> {
        let prometheus = match &self.prometheus {
            Ok(prometheus) => prometheus,
            Err(why) => return of.iter().map(|_| Visit::Failed(why.clone())).collect(),
        };
        let who = format!("Prometheus at {}", prometheus.address());
        match self.answers(prometheus, of, bound).await {
            Ok(answers) => of.iter().map(|one| answers.visit(&one.pod, self.queries.by, &who)).collect(),
            Err(why) => of.iter().map(|_| Visit::Failed(why.clone())).collect(),
        }
    }

    async fn answers(
        &self,
        prometheus: &Prometheus,
        of: &[Instance],
        bound: Option<Duration>,
    ) -> Result<Answers, String> {
        let fill = |query: &str| filled(query, &self.namespace, of, bound);
        let slow = match (bound, &self.queries.slow) {
            (None, _) => None,
            (Some(_), Some(query)) => Some(fill(query)),
            (Some(_), None) => return Err("no query tells which requests are slow: add `slow`".to_owned()),
        };
        let by = self.queries.by;
        let (requests, errors) = (fill(&self.queries.requests), fill(&self.queries.errors));
        let (requests, errors, slow) = tokio::try_join!(
            ask(prometheus, by, "requests", Some(&requests)),
            ask(prometheus, by, "errors", Some(&errors)),
            ask(prometheus, by, "slow", slow.as_deref()),
        )?;
        Ok(Answers { requests: requests.unwrap_or_default(), errors: errors.unwrap_or_default(), slow })
    }
}

impl Answers {
    /// What they tell of a pod or a Service. What has answered requests must have errors and, where they count, slow requests, were it 0 of
    /// them: a query that fits nothing would otherwise show a release without fault.
    fn visit(&self, name: &str, by: By, who: &str) -> Visit {
        let what = by.label();
        let count = |from: &ByName, key: &str| match from.get(name) {
            Some(value) if value.is_finite() && *value >= 0.0 => Ok(whole(*value)),
            Some(value) => {
                Err(format!("{who} gives {value} as the count of {what} {name}, asked for `{key}`"))
            }
            None => Err(format!("{who} has no series of {what} {name}, asked for `{key}`")),
        };
        let counts = || {
            let requests = count(&self.requests, "requests")?;
            if requests == 0 {
                return Ok(Counts::default());
            }
            let errors = count(&self.errors, "errors")?;
            let slow = self.slow.as_ref().map_or(Ok(0), |slow| count(slow, "slow"))?;
            // They were counted at the same moment, but perhaps not read at the same one.
            Ok(Counts { requests, errors: errors.min(requests), slow: slow.min(requests) })
        };
        match counts() {
            Ok(counts) => Visit::Read(Reading { family: "", counts }),
            // Not `Nothing`: that a Prometheus has no series yet does not say that the pod has answered nothing.
            Err(why) => Visit::Failed(why),
        }
    }
}

/// What a query gives, by the name of the pod or the Service.
async fn ask(
    prometheus: &Prometheus,
    by: By,
    key: &str,
    query: Option<&str>,
) -> Result<Option<ByName>, String> {
    let Some(query) = query else { return Ok(None) };
    let told = |why: Unanswered| format!("{why}, asked for `{key}`");
    let label = by.label();
    let sums = by_name(label, prometheus.ask(query).await.map_err(told)?);
    let nameless = || {
        let who = prometheus.address();
        format!("Prometheus at {who} gives no series by {label} for `{key}`: write `sum by ({label}) (…)`")
    };
    sums.ok_or_else(nameless).map(Some)
}

/// A query with what it has places for. Names of pods and Services have no characters that mean anything in an expression, but for the dot.
fn filled(query: &str, namespace: &str, of: &[Instance], bound: Option<Duration>) -> String {
    let mut names = String::new();
    // The longest first: where a port follows, one name may be the beginning of another.
    let mut of: Vec<&Instance> = of.iter().collect();
    of.sort_by_key(|one| std::cmp::Reverse(one.pod.len()));
    for (n, one) in of.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(names, "{}{}", if n == 0 { "" } else { "|" }, one.pod.replace('.', "[.]"));
    }
    let mut ports: Vec<&str> = of.iter().flat_map(|one| &one.ports).map(String::as_str).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports = if ports.is_empty() { ".+".to_owned() } else { ports.join("|") };
    let bound = bound.unwrap_or_default();
    let query =
        query.replace("{{namespace}}", namespace).replace("{{pods}}", &names).replace("{{services}}", &names);
    let query = query.replace("{{ports}}", &ports);
    let milliseconds = (bound.as_secs_f64() * 1000.0).to_string();
    query
        .replace("{{slower-than-ms}}", &milliseconds)
        .replace("{{slower-than}}", &bound.as_secs_f64().to_string())
}

/// The sum of the values of each name in that label; nothing when there are series, but without it.
fn by_name(label: &str, all: Vec<Series>) -> Option<ByName> {
    let is_empty = all.is_empty();
    let mut sums = BTreeMap::new();
    for Series { mut labels, value } in all {
        if let Some(name) = labels.remove(label) {
            *sums.entry(name).or_insert(0.0) += value;
        }
    }
    (is_empty || !sums.is_empty()).then_some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::ReleaseId;

    const WHO: &str = "Prometheus at http://p:9090";

    fn instance(pod: &str) -> Instance {
        Instance {
            pod: pod.to_owned(),
            uid: pod.to_owned(),
            release: ReleaseId::new("new"),
            offer: None,
            ports: Vec::new(),
        }
    }

    fn counts(of: &[(&str, f64)]) -> ByName {
        of.iter().map(|(pod, value)| ((*pod).to_owned(), *value)).collect()
    }

    fn told(answers: &Answers, pod: &str) -> Result<(u64, u64, u64), String> {
        match answers.visit(pod, By::Pod, WHO) {
            Visit::Read(Reading { counts, .. }) => Ok((counts.requests, counts.errors, counts.slow)),
            Visit::Failed(why) | Visit::Nothing(why) => Err(why),
        }
    }

    #[test]
    fn a_query_is_filled_with_what_belongs_to_the_releases() {
        let of = [instance("web-1"), instance("web.2")];
        let query = r#"a{namespace="{{namespace}}",pod=~'{{pods}}',le="{{slower-than}}"}"#;
        assert_eq!(
            filled(query, "shop", &of, Some(Duration::from_millis(500))),
            r#"a{namespace="shop",pod=~'web-1|web[.]2',le="0.5"}"#
        );
        assert_eq!(filled("{{slower-than}}", "shop", &of, Some(Duration::from_secs(2))), "2");
        let with =
            |ports: [&str; 2]| Instance { ports: ports.map(str::to_owned).to_vec(), ..instance("web") };
        let query = "a{service=~\"({{services}})-({{ports}})\"}";
        let of = [with(["80", "http"]), with(["80", "http"])];
        assert_eq!(filled(query, "shop", &of, None), "a{service=~\"(web|web)-(80|http)\"}");
    }

    #[test]
    fn what_it_has_of_a_pod_is_counted() {
        let answers = Answers {
            requests: counts(&[("a", 100.0), ("b", 7.0), ("idle", 0.0)]),
            errors: counts(&[("a", 3.0), ("b", 9.0)]),
            slow: None,
        };
        assert_eq!(told(&answers, "a"), Ok((100, 3, 0)));
        assert_eq!(told(&answers, "b"), Ok((7, 7, 0)), "errors that were read a moment later");
        assert_eq!(told(&answers, "idle"), Ok((0, 0, 0)), "who has answered nothing needs no errors");
        let slow = Answers { slow: Some(counts(&[("a", 5.0)])), ..answers };
        assert_eq!(told(&slow, "a"), Ok((100, 3, 5)));
        assert!(told(&slow, "b").unwrap_err().ends_with("has no series of pod b, asked for `slow`"));
    }

    #[test]
    fn what_it_does_not_tell_of_a_pod_is_silence() {
        let mut answers = Answers { requests: counts(&[("a", 10.0)]), ..Answers::default() };
        let no_errors = told(&answers, "a").unwrap_err();
        assert_eq!(no_errors, "Prometheus at http://p:9090 has no series of pod a, asked for `errors`");
        let no_requests = told(&answers, "b").unwrap_err();
        assert_eq!(no_requests, "Prometheus at http://p:9090 has no series of pod b, asked for `requests`");
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            answers.errors = counts(&[("a", odd)]);
            let why = told(&answers, "a").unwrap_err();
            assert!(why.contains(&format!("gives {odd} as the count of pod a")), "{why}");
        }
    }

    #[test]
    fn series_are_summed_by_pod_and_must_name_one() {
        let series = |pod: Option<&str>, value| {
            let labels = pod.map(|pod| ("pod".to_owned(), pod.to_owned())).into_iter().collect();
            Series { labels, value }
        };
        let sums =
            by_name("pod", vec![series(Some("a"), 1.0), series(Some("b"), 5.0), series(Some("a"), 2.0)]);
        assert_eq!(sums, Some(counts(&[("a", 3.0), ("b", 5.0)])));
        assert_eq!(by_name("pod", Vec::new()), Some(BTreeMap::new()));
        assert_eq!(by_name("pod", vec![series(None, 1.0)]), None);
    }

    #[tokio::test]
    async fn without_its_token_it_is_not_asked() {
        let source = PrometheusSource {
            address: "http://127.0.0.1:9".to_owned(),
            token: Credential::Missing("METRICS_TOKEN".to_owned()),
            queries: Queries { requests: "a".to_owned(), errors: "b".to_owned(), slow: None, by: By::Pod },
        };
        let visits = Asker::new(source, "shop").visits(&[instance("a")], None).await;
        let [Visit::Failed(why)] = visits.as_slice() else { panic!() };
        assert_eq!(
            why,
            "Prometheus at http://127.0.0.1:9 is not asked: its token is to be $METRICS_TOKEN, which is not set"
        );
    }
}
